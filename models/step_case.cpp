#include "models/step_case.h"

#include <cmath>
#include <numeric>

#include "data/classes.h"
#include "kernels/philox.h"

namespace earshot {
namespace {

constexpr int kClasses = static_cast<int>(kFsdClasses.size());

/// Uniform in [-scale, scale).
void fill(Backend& backend, const Tensor& t, double scale, uint32_t stream) {
  std::vector<float> values(static_cast<size_t>(t.shape.count()));
  Random random(7, Purpose::kAugment, stream, 0);
  for (float& v : values) v = static_cast<float>(scale * (2 * random.uniform() - 1));
  backend.copy_to_device(t, values.data());
}

}  // namespace

StepCase::StepCase(Backend& backend, const Config& config, ModelKind kind, int64_t batch)
    : backend_(backend),
      config_(config),
      batch_(batch),
      tagger_(backend, config, kind, kClasses, /*trained=*/true),
      pass_(tagger_, /*training=*/true, {batch}) {
  tagger_.initialise(config.seed);
  memory_ = backend.allocate(pass_.arena().bytes(), "the step's arena");
  pass_.bind(memory_.data());
  if (pass_.has_wave()) fill(backend, pass_.wave(batch), 0.5, 1);
  if (tagger_.has_spec()) fill(backend, pass_.mel(batch), 40, 2);
  // As mixup makes them: two classes, weights that sum to 1.
  std::vector<float> targets(static_cast<size_t>(batch * kClasses), 0.0f);
  for (int64_t i = 0; i < batch; ++i) {
    targets[i * kClasses + i % kClasses] = 0.75f;
    targets[i * kClasses + (i + 5) % kClasses] = 0.25f;
  }
  std::vector<float> weights(kClasses);
  for (int c = 0; c < kClasses; ++c) weights[c] = 0.5f + 0.025f * static_cast<float>(c);
  backend.copy_to_device(pass_.targets(batch), targets.data());
  backend.copy_to_device(pass_.class_weights(), weights.data());
}

Tensor StepCase::forward() {
  const Tensor logits = pass_.forward(batch_, {Mode::kTrain, config_.seed, ++step_});
  pass_.loss_of(logits);
  return logits;
}

void StepCase::run() {
  forward();
  backward();
  std::vector<float> losses(static_cast<size_t>(batch_));
  backend_.copy_to_host(losses.data(), pass_.loss(batch_));
  loss_ = std::accumulate(losses.begin(), losses.end(), 0.0);
  Parameters& p = tagger_.trainable();
  if (!std::isfinite(loss_) || !backend_.all_finite(p.gradients()))
    fail("step {} of {}: loss or gradient is not finite", step_, to_string(tagger_.kind()));
  const TraceRange range("adam", TracePhase::kUpdate);
  const OptimizerSettings& o = config_.optimizer;
  backend_.adam(p.values(), p.gradients(), p.first_moments(), p.second_moments(),
                adam_step(step_, config_.phase(tagger_.kind()).learning_rate, o.beta1, o.beta2,
                          o.epsilon, o.weight_decay));
  backend_.synchronize();
}

}  // namespace earshot
