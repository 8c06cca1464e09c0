#include "models/step_case.h"

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
      pass_(tagger_, /*training=*/true, {batch}),
      training_step_(tagger_, pass_, [](int64_t) {},
                     {config.seed,
                      {config.phase(kind).learning_rate},
                      config.phase(kind).weight_decay,
                      config.optimizer}) {
  tagger_.initialise(config.seed);
  memory_ = backend.allocate(pass_.arena().bytes(), "the step's arena");
  pass_.bind(memory_.data());
  if (pass_.has_wave()) fill(backend, pass_.wave(batch), 0.5, 1);
  if (tagger_.has_spec()) fill(backend, pass_.mel(batch), 40, 2);
  // As mixup makes them: two classes, weights that sum to 1.
  data_.targets.assign(static_cast<size_t>(batch * kClasses), 0.0f);
  for (int64_t i = 0; i < batch; ++i) {
    data_.targets[i * kClasses + i % kClasses] = 0.75f;
    data_.targets[i * kClasses + (i + 5) % kClasses] = 0.25f;
    end_example(data_.plan);  // without clips: the inputs are there
  }
  for (int c = 0; c < kClasses; ++c)
    class_weights_.push_back(0.5f + 0.025f * static_cast<float>(c));
  upload();
}

void StepCase::upload() {
  pass_.upload({data_.plan.view(), data_.targets, class_weights_, {{}, 1}});
}

Tensor StepCase::forward() {
  upload();
  const Tensor logits = pass_.forward(batch_, {Mode::kTrain, config_.seed, pass_.scalars()});
  pass_.loss_of(logits);
  return logits;
}

void StepCase::enqueue() {
  StepSeconds seconds;
  training_step_.run(++step_, data_, class_weights_, seconds);
  while (const auto report = training_step_.take_report(/*wait=*/false)) take(*report);
}

void StepCase::run() {
  enqueue();
  while (const auto report = training_step_.take_report(/*wait=*/true)) take(*report);
}

void StepCase::take(const StepReport& report) {
  loss_ = report.loss;
  if (report.bad != 0)
    fail("step {} of {}: loss or gradient is not finite", step_, to_string(tagger_.kind()));
}

}  // namespace earshot
