// The paper's three networks at its three lengths against Keras, from given weights: logits, loss
// and every gradient.
#include <tuple>

#include "models/tagger.h"
#include "tests/golden/golden.h"

namespace earshot {
namespace {

constexpr int kClasses = 5;
constexpr int64_t kExamples = 8;
constexpr double kTensorShare = 1e-4;  // of the largest value of a tensor

Config narrow(int seconds) {
  Config config;
  config.seconds = seconds;
  config.width_audio = config.width_spec = 1.0 / 16;
  config.head.layers = {12, 9, 7};
  return config;
}

/// Noise of another loudness and pitch in every example, as networks.py has it.
std::vector<float> different(uint32_t seed, int64_t size) {
  const std::vector<float> noise = golden::noise(kExamples * size, seed);
  std::vector<float> out;
  for (int64_t i = 0; i < kExamples; ++i)
    for (int64_t t = 0; t < size; ++t)
      out.push_back(noise[i * size + t / (1 + i % 4)] * static_cast<float>(i + 1) / kExamples);
  return out;
}

class Networks : public testing::TestWithParam<std::tuple<ModelKind, int>> {
 protected:
  Networks() {
    tagger.load(file.file());
    memory = backend->allocate(pass.arena().bytes(), "test arena");
    pass.bind(memory.data());
  }
  /// Everything a pass wants, before it.
  void fill() {
    // clang-format off
    const std::vector<float> targets = {1,    0,     0,    0,      0,       //
                                        0,    0.75f, 0,    0,      0.25f,   //
                                        0.5f, 0,     0.5f, 0,      0,       //
                                        0,    0,     0,    0.125f, 0.875f,  //
                                        0,    0,     0,    0,      1,       //
                                        0.5f, 0,     0,    0.5f,   0,       //
                                        0,    0.25f, 0,    0.75f,  0,       //
                                        0,    0,     1,    0,      0};
    // clang-format on
    const std::vector<float> weights = {1, 0.5f, 1.5f, 2, 0.75f};
    backend->copy_to_device(pass.targets(kExamples), targets.data());
    backend->copy_to_device(pass.class_weights(), weights.data());
    if (tagger.has_audio()) {
      const Tensor wave = pass.wave(kExamples);
      backend->copy_to_device(wave, different(11, wave.shape.features()).data());
    }
    if (!tagger.has_spec()) return;
    const Tensor mel = pass.mel(kExamples);
    std::vector<float> values = different(12, mel.shape.features());
    for (float& x : values) x = x * 16 - 8;
    backend->copy_to_device(mel, values.data());
  }
  std::vector<float> host(const Tensor& t) const {
    std::vector<float> values(static_cast<size_t>(t.shape.count()));
    backend->copy_to_host(values.data(), t);
    return values;
  }
  void expect(const Tensor& got, const std::string& name) const {
    golden::expect_near_largest(host(got), file.values("expected." + name), kTensorShare, name);
  }

  ModelKind kind = std::get<0>(GetParam());
  int seconds = std::get<1>(GetParam());
  golden::File file{fmt::format("{}-{}s", to_string(kind), seconds)};
  std::unique_ptr<Backend> backend = make_cpu_backend(2);
  Tagger tagger{*backend, narrow(seconds), kind, kClasses, /*trained=*/true};
  TaggerPass pass{tagger, /*training=*/true, {kExamples}};
  DeviceMemory memory;
};

TEST_P(Networks, LogitsLossAndGradients) {
  fill();
  expect(pass.forward(kExamples, {Mode::kInference}), "inference");
  fill();
  const Tensor logits = pass.forward(kExamples, {Mode::kTrain, 0, pass.scalars()});
  expect(logits, "logits");
  pass.loss_of(logits);
  expect(pass.loss(kExamples), "loss");
  pass.backward(kExamples);
  const Parameters& trained = tagger.trainable();
  const std::string prefix = kind == ModelKind::kComb ? "head." : "";
  int compared = 0;
  for (size_t i = 0; i < trained.entries().size(); ++i) {
    if (trained.entries()[i].kind != Parameters::Kind::kTrainable) continue;
    expect(trained.gradient(static_cast<int>(i)), "gradient." + prefix + trained.entries()[i].name);
    ++compared;
  }
  int expected = 0;
  for (const SafetensorsEntry& entry : file.file().tensors())
    expected += entry.name.starts_with("expected.gradient.") ? 1 : 0;
  EXPECT_EQ(compared, expected);
}

INSTANTIATE_TEST_SUITE_P(Paper, Networks,
                         testing::Combine(testing::Values(ModelKind::kAudio, ModelKind::kSpec,
                                                          ModelKind::kComb),
                                          testing::Values(1, 2, 3)),
                         [](const auto& of) {
                           return fmt::format(
                               "{}_{}s", std::string(to_string(std::get<0>(of.param))).substr(4),
                               std::get<1>(of.param));
                         });

}  // namespace
}  // namespace earshot
