// A small tagger of any kind with random tensors and inputs, and the steps of a pass over it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/engine/backend_fixture.h"
#include "tests/engine/bf16_backend.h"
#include "tests/kernels/stored.h"
#include "tests/models/reference_network.h"
#include "tests/reference/values.h"
#include "tests/scratch.h"

namespace earshot {

constexpr int kClasses = 5;

inline Config small_config() {
  Config config;
  config.seconds = 1;
  config.width_audio = config.width_spec = 1.0 / 16;
  config.head.layers = {12, 9, 7};
  return config;
}

/// Every tensor random: weights of unit gain, variances positive, nothing at its initial value.
inline void randomise(Tagger& tagger, uint32_t name) {
  Tagger::Snapshots snapshots = tagger.snapshot();
  std::vector<std::vector<float>> buffers;
  std::vector<SafetensorsEntry> entries = tagger.tensors(snapshots);
  for (SafetensorsEntry& entry : entries) {
    const auto count = static_cast<int64_t>(entry.bytes.size() / sizeof(float));
    const bool weight = entry.name.ends_with(".weight");
    const bool scale = entry.name.ends_with(".gamma") || entry.name.ends_with(".variance");
    int64_t fan_in = entry.shape.front();  // dense [in, out]
    if (entry.shape.size() == 4) fan_in = count / entry.shape.front();
    const double limit = weight ? std::sqrt(6.0 / static_cast<double>(fan_in)) : 0.5;
    buffers.push_back(random_values(count, name++, scale ? 0.5 : -limit, scale ? 1.5 : limit));
    if (entry.name.ends_with("variance"))
      for (float& x : buffers.back()) x = 0.2f + std::abs(x);
    entry.bytes = std::as_bytes(std::span<const float>(buffers.back()));
  }
  const Scratch scratch;
  write_safetensors(scratch / "random.safetensors", entries, {});
  tagger.load(SafetensorsFile(scratch / "random.safetensors"));
}

/// Inputs of `n` examples: the first ones are the same whatever n.
struct FloatInputs {
  int64_t n;
  std::vector<float> wave, mel, targets, class_weights;

  explicit FloatInputs(int64_t examples) : n(examples) {
    for (uint32_t i = 0; i < static_cast<uint32_t>(n); ++i) {
      append(wave, random_values(44100, 500 + i));
      append(mel, random_values(128 * 170, 600 + i));
      std::vector<float> mix = random_values(kClasses, 700 + i, 0, 1);
      mix[i % kClasses] = 0;  // some classes do not take part
      append(targets, mix);
    }
    class_weights = random_values(kClasses, 800, 0.5, 2);
  }
  reference::PassInputs exact() const {
    return {n, widen(wave), widen(mel), widen(targets), widen(class_weights)};
  }

 private:
  static void append(std::vector<float>& to, const std::vector<float>& from) {
    to.insert(to.end(), from.begin(), from.end());
  }
};

/// A pass with its arena, filled with the byte `fill` before anything else.
class BoundPass {
 public:
  BoundPass(Tagger& tagger, bool training, std::vector<int64_t> batches, uint8_t fill)
      : tagger_(tagger),
        pass_(tagger, training, std::move(batches)),
        memory_(tagger.backend().allocate(pass_.arena().bytes(), "test arena")) {
    const std::vector<uint8_t> bytes(static_cast<size_t>(memory_.bytes()), fill);
    const Tensor all{memory_.data(), {1, 1, 1, memory_.bytes()}, DType::kU8, "arena"};
    tagger.backend().copy_to_device(all, bytes.data());
    pass_.bind(memory_.data());
  }

  /// Everything that a pass wants is filled in before it, as the trainer does.
  Tensor forward(const FloatInputs& in, Mode mode) {
    Backend& backend = tagger_.backend();
    const GatherPlan nothing{{}, std::vector<int32_t>(static_cast<size_t>(in.n) + 1, 0), {}};
    pass_.upload({nothing.view(), in.targets, in.class_weights, {{}, reference::kDropoutStep}});
    if (tagger_.has_spec()) backend.copy_to_device(pass_.mel(in.n), in.mel.data());
    if (tagger_.has_audio()) backend.copy_to_device(pass_.wave(in.n), in.wave.data());
    return pass_.forward(in.n, {mode, reference::kDropoutSeed, pass_.scalars()});
  }

  struct Results {
    std::vector<float> logits, loss, gradients;
    Tagger::Snapshots tensors;
    reference::Decisions decisions;
  };
  Results train(const FloatInputs& in) {
    const Tensor logits = forward(in, Mode::kTrain);
    Results r;
    r.logits = host(logits);
    if (tagger_.kind() != ModelKind::kComb) r.decisions = decisions(in.n);
    pass_.loss_of(logits);
    pass_.backward(in.n);
    r.loss = host(pass_.loss(in.n));
    r.gradients = host(tagger_.trainable().gradients());
    r.tensors = tagger_.snapshot();
    return r;
  }
  Results infer(const FloatInputs& in) {
    const Tensor logits = forward(in, Mode::kInference);
    Results r;
    r.logits = host(logits);
    pass_.loss_of(logits);
    r.loss = host(pass_.loss(in.n));
    r.tensors = tagger_.snapshot();
    return r;
  }
  TaggerPass& pass() { return pass_; }

 private:
  template <typename T = float>
  std::vector<T> host(const Tensor& t) const {
    std::vector<T> values(static_cast<size_t>(t.shape.count()));
    tagger_.backend().copy_to_host(values.data(), t);
    return values;
  }
  /// Outputs of the convolutions, which training keeps until backward.
  reference::Decisions decisions(int64_t n) const {
    reference::Decisions found;
    const auto& entries = pass_.arena().entries();
    for (size_t id = 0; id < entries.size(); ++id) {
      const std::string& name = entries[id].name;
      if (name.find(".conv") == std::string::npos) continue;
      const Tensor t = pass_.arena().at(static_cast<int>(id), memory_.data());
      const std::string convolution = name.substr(0, name.rfind('.'));
      if (name.ends_with(".y"))
        found[convolution].y =
            t.type == DType::kBf16 ? loaded(host<Bf16>(t.first(n))) : host(t.first(n));
      if (name.ends_with(".argmax")) found[convolution].argmax = host<uint8_t>(t.first(n));
    }
    return found;
  }
  Tagger& tagger_;
  TaggerPass pass_;
  DeviceMemory memory_;
};

constexpr uint8_t kZeros = 0, kNans = 0xFF;  // 0xFFFFFFFF is a NaN

/// Those of this run and one with bf16 activations.
inline std::vector<TestBackend> tagger_backends() {
  std::vector<TestBackend> backends = test_backends();
  backends.push_back({test_on_gpu() ? "cuda_bf16" : "widened_bf16", Precision::kBf16});
  return backends;
}
inline Backend& open_tagger_backend(const TestBackend& of) {
  static Bf16Backend widened;
  return of.name == "widened_bf16" ? widened : open_backend(of);
}

/// One test body for the three kinds on every backend.
class TaggerTest : public testing::TestWithParam<std::tuple<TestBackend, ModelKind>> {
 protected:
  explicit TaggerTest(Config config = small_config())
      : tagger(*backend, with_precision(config), std::get<1>(GetParam()), kClasses,
               /*trained=*/true) {
    randomise(tagger, 1000);
  }
  static Config with_precision(Config config) {
    config.precision = std::get<0>(GetParam()).precision;
    return config;
  }
  Backend* backend = &open_tagger_backend(std::get<0>(GetParam()));
  Tagger tagger;
};

/// Kinds of taggers, on every backend of this run.
inline auto tagger_cases(std::vector<ModelKind> kinds) {
  return testing::Combine(testing::ValuesIn(tagger_backends()), testing::ValuesIn(kinds));
}
inline std::string case_name(
    const testing::TestParamInfo<std::tuple<TestBackend, ModelKind>>& info) {
  const auto& [backend, kind] = info.param;
  return backend.name + "_" + std::string(to_string(kind)).substr(4);  // without "cnn-"
}

}  // namespace earshot
