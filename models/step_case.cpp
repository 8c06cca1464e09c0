#include "models/step_case.h"

#include <cmath>
#include <nlohmann/json.hpp>
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

nlohmann::json to_json(const NetworkTable& table) {
  nlohmann::json blocks = nlohmann::json::array();
  for (const BlockRow& block : table.blocks) {
    nlohmann::json convolutions = nlohmann::json::array();
    for (const auto& c : block.convolutions)
      convolutions.push_back({c.kernel_h, c.kernel_w, c.channels});
    blocks.push_back({{"convolutions", convolutions}, {"pool", {block.pool_h, block.pool_w}}});
  }
  return {{"input", {table.input.h, table.input.w, table.input.c}},
          {"blocks", blocks},
          {"dense", table.dense}};
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
  pass_.backward(batch_);
  std::vector<float> losses(static_cast<size_t>(batch_));
  backend_.copy_to_host(losses.data(), pass_.loss(batch_));
  loss_ = std::accumulate(losses.begin(), losses.end(), 0.0);
  Parameters& p = tagger_.trainable();
  if (!std::isfinite(loss_) || !backend_.all_finite(p.gradients()))
    fail("step {} of {}: loss or gradient is not finite", step_, to_string(tagger_.kind()));
  const OptimizerSettings& o = config_.optimizer;
  backend_.adam(p.values(), p.gradients(), p.first_moments(), p.second_moments(),
                adam_step(step_, config_.phase(tagger_.kind()).learning_rate, o.beta1, o.beta2,
                          o.epsilon, o.weight_decay));
  backend_.synchronize();
}

StepCase::HostTensor StepCase::on_host(const std::string& name, const Tensor& t) const {
  HostTensor out{name, {t.shape.n, t.shape.h, t.shape.w, t.shape.c}, {}};
  out.values.resize(static_cast<size_t>(t.shape.count()));
  backend_.copy_to_host(out.values.data(), t);
  return out;
}

Metadata StepCase::metadata() const {
  const ModelKind kind = tagger_.kind();
  nlohmann::json tables;
  if (tagger_.has_audio()) tables["audio"] = to_json(tagger_.table(ModelKind::kAudio));
  if (tagger_.has_spec()) tables["spec"] = to_json(tagger_.table(ModelKind::kSpec));
  return {{"model", to_string(kind)},
          {"batch", std::to_string(batch_)},
          {"classes", std::to_string(kClasses)},
          {"tables", tables.dump()},
          {"head", nlohmann::json(config_.head.layers).dump()},
          {"batch_norm_epsilon", fmt::format("{}", config_.batch_norm.epsilon)},
          {"batch_norm_momentum", fmt::format("{}", config_.batch_norm.momentum)},
          {"learning_rate", fmt::format("{}", config_.phase(kind).learning_rate)}};
}

void StepCase::save(const fs::path& path) {
  const Tagger::Snapshots before = tagger_.snapshot();
  std::vector<SafetensorsEntry> entries = tagger_.tensors(before);
  for (SafetensorsEntry& entry : entries) entry.name = "weight." + entry.name;
  const Tensor logits = forward();
  std::vector<HostTensor> tensors{on_host("output.logits", logits),
                                  on_host("output.loss", pass_.loss(batch_)),
                                  on_host("input.targets", pass_.targets(batch_)),
                                  on_host("input.class_weights", pass_.class_weights())};
  if (pass_.has_wave()) tensors.push_back(on_host("input.wave", pass_.wave(batch_)));
  if (tagger_.has_spec()) tensors.push_back(on_host("input.mel", pass_.mel(batch_)));
  pass_.backward(batch_);
  const Parameters& p = tagger_.trainable();
  const std::string prefix = tagger_.kind() == ModelKind::kComb ? "gradient.head." : "gradient.";
  for (size_t i = 0; i < p.entries().size(); ++i)
    if (p.entries()[i].kind == Parameters::Kind::kTrainable)
      tensors.push_back(on_host(prefix + p.entries()[i].name, p.gradient(static_cast<int>(i))));
  for (const HostTensor& t : tensors)
    entries.push_back({t.name, SafetensorsType::kF32, t.shape, std::as_bytes(std::span(t.values))});
  write_safetensors(path, entries, metadata());
}

}  // namespace earshot
