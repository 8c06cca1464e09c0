// One training step (forward, loss, backward, Adam) of each network on random inputs.
// GFLOP/s counts the dense multiply-adds of every layer, whatever the implementation skips.
#include <vector>

#include "benchmarks/device.h"
#include "kernels/philox.h"
#include "models/tagger.h"

namespace earshot {
namespace {

void fill(Backend& backend, const Tensor& t, double scale) {
  std::vector<float> values(static_cast<size_t>(t.shape.count()));
  Random random(7, Purpose::kAugment, 0, 0);
  for (float& v : values) v = static_cast<float>(scale * (2 * random.uniform() - 1));
  backend.copy_to_device(t, values.data());
}

/// range(0): seconds, range(1): batch.
void training_step(benchmark::State& state, ModelKind kind) {
  constexpr int kClasses = 41;
  Config config;
  config.seconds = static_cast<int>(state.range(0));
  const int64_t n = state.range(1);
  Backend& backend = benchmark_backend();
  Tagger tagger(backend, config, kind, kClasses, /*trained=*/true);
  tagger.trainable().initialise(1);
  TaggerPass pass(tagger, /*training=*/true, {n});
  const DeviceMemory memory = backend.allocate(pass.arena().bytes(), "arena");
  pass.bind(memory.data());
  if (pass.has_wave()) fill(backend, pass.wave(n), 0.5);
  if (tagger.has_spec()) fill(backend, pass.mel(n), 40);
  std::vector<float> targets(static_cast<size_t>(n * kClasses), 0.0f), ones(kClasses, 1.0f);
  for (int64_t i = 0; i < n; ++i) targets[i * kClasses + i % kClasses] = 1.0f;
  backend.copy_to_device(pass.targets(n), targets.data());
  backend.copy_to_device(pass.class_weights(), ones.data());
  Parameters& p = tagger.trainable();
  uint32_t step = 0;
  time_on_device(state, [&] {
    pass.loss_of(pass.forward(n, {Mode::kTrain, 1, ++step}));
    pass.backward(n);
    backend.adam(p.values(), p.gradients(), p.first_moments(), p.second_moments(),
                 adam_step(step, 1e-3, 0.9, 0.999, 1e-7, 0));
  });
  double flops = 0;
  for (const LayerWork& layer : pass.work(n))
    flops += layer.forward.dense_flops + layer.backward.dense_flops;
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
  state.counters["examples/s"] =
      Counter(static_cast<double>(n), Counter::kIsIterationInvariantRate);
  state.counters["arena MB"] = 1e-6 * static_cast<double>(pass.arena().bytes());
}
#define EARSHOT_STEP(name, kind)               \
  BENCHMARK_CAPTURE(training_step, name, kind) \
      ->ArgNames({"seconds", "batch"})         \
      ->ArgsProduct({{1, 2, 3}, {32}})         \
      ->Unit(benchmark::kMillisecond)          \
      ->UseRealTime()
EARSHOT_STEP(cnn_audio, ModelKind::kAudio);
EARSHOT_STEP(cnn_spec, ModelKind::kSpec);
EARSHOT_STEP(cnn_comb, ModelKind::kComb);

}  // namespace
}  // namespace earshot
