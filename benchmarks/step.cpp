// One training step (forward, loss, backward, Adam) of each network on random inputs.
// GFLOP/s counts the dense multiply-adds of every layer, whatever the implementation skips.
#include "benchmarks/device.h"
#include "models/step_case.h"

namespace earshot {
namespace {

/// range(0): seconds, range(1): batch.
void training_step(benchmark::State& state, ModelKind kind) {
  Config config;
  config.seconds = static_cast<int>(state.range(0));
  const int64_t n = state.range(1);
  StepCase step(benchmark_backend(), config, kind, n);
  time_on_device(state, [&] { step.enqueue(); });
  double flops = 0;
  for (const LayerWork& layer : step.pass().work(n))
    flops += layer.forward.dense_flops + layer.backward.dense_flops;
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
  state.counters["examples/s"] =
      Counter(static_cast<double>(n), Counter::kIsIterationInvariantRate);
  state.counters["arena MB"] = 1e-6 * static_cast<double>(step.pass().arena().bytes());
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
