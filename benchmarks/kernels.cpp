// Every kernel of the CPU alone, at the shapes of cnn-audio 2 s and cnn-spec 2 s, batch 32.
// GB/s counts each tensor read or written once; GFLOP/s as stated per case.
#include <benchmark/benchmark.h>

#include <vector>

#include "engine/backend.h"
#include "kernels/batch_norm.h"
#include "kernels/log_mel.h"
#include "kernels/philox.h"
#include "kernels/pool.h"

namespace earshot {
namespace {

std::vector<float> uniform(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  Random random(1, Purpose::kInitialWeights, 0, 0);
  for (float& v : values) v = static_cast<float>(2 * random.uniform() - 1);
  return values;
}

void report(benchmark::State& state, double flops, double bytes) {
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
  state.counters["GB/s"] = Counter(1e-9 * bytes, Counter::kIsIterationInvariantRate);
}

constexpr ConvolutionShape kConvolutions[] = {
    {32, 1, 88200, 1, 32, 1, 11, 1, 1}, {32, 1, 88200, 32, 32, 1, 11, 1, 16},
    {32, 1, 5512, 64, 64, 1, 9, 1, 16}, {32, 1, 344, 128, 128, 1, 7, 1, 16},
    {32, 128, 300, 1, 64, 4, 4, 1, 1},  {32, 128, 300, 64, 64, 4, 4, 2, 2},
    {32, 32, 75, 64, 128, 3, 3, 2, 4},  {32, 8, 9, 128, 256, 3, 3, 2, 2},
};

/// Forward: flops() of ConvolutionShape. Backward: twice that, the dense count, whatever the
/// implementation skips.
void convolution(benchmark::State& state, bool backward) {
  const ConvolutionShape& s = kConvolutions[state.range(0)];
  const auto backend = make_cpu_backend(0);
  const auto plan = backend->convolution(s, "bench");
  std::vector<float> x = uniform(s.x().count()), weight = uniform(s.weight().count()),
                     bias = uniform(s.c_out), y(s.y().count()), dy = uniform(s.y().count()),
                     dx(x.size()), dweight(weight.size()), dbias(bias.size());
  std::vector<uint8_t> argmax(y.size());
  const DeviceMemory scratch =
      backend->allocate(std::max(plan->forward_scratch(), plan->backward_scratch()), "scratch");
  const auto tensor = [](auto& v, const Shape& shape) {
    return Tensor{v.data(), shape, sizeof(v[0]) == 1 ? DType::kU8 : DType::kF32, "bench"};
  };
  const Tensor pad{scratch.data(), {1, 1, 1, scratch.bytes()}, DType::kU8, "scratch"};
  const Shape vector{1, 1, 1, s.c_out};
  const ConvolutionForward forward{tensor(x, s.x()),      tensor(weight, s.weight()),
                                   tensor(bias, vector),  tensor(y, s.y()),
                                   tensor(argmax, s.y()), pad};
  plan->forward(forward);
  for (auto _ : state) {
    if (backward)
      plan->backward({forward.x, forward.weight, forward.y, forward.argmax, tensor(dy, s.y()),
                      tensor(dx, s.x()), tensor(dweight, s.weight()), tensor(dbias, vector), pad});
    else
      plan->forward(forward);
  }
  const double tensors = 4.0 * double(s.x().count() + s.y().count() + s.weight().count());
  report(state, s.flops() * (backward ? 2 : 1), tensors * (backward ? 2 : 1));
  state.SetLabel(fmt::format("{} k{}x{} -> {} pool {}x{}: {}", to_string(s.x()), s.kernel_h,
                             s.kernel_w, s.c_out, s.pool_h, s.pool_w, plan->implementation()));
}
BENCHMARK_CAPTURE(convolution, forward, false)->DenseRange(0, 7)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(convolution, backward, true)->DenseRange(0, 7)->Unit(benchmark::kMillisecond);

/// Reads x, writes y (1/16) and argmax.
void max_pool(benchmark::State& state) {
  const PoolShape s{8, 1, 88192, 32, 1, 16};
  const std::vector<float> x = uniform(s.n * s.w * s.c);
  std::vector<float> y(x.size() / 16);
  std::vector<uint8_t> argmax(y.size());
  for (auto _ : state) max_pool_forward(s, x.data(), y.data(), argmax.data());
  report(state, double(x.size()), 4.0 * double(x.size() + y.size()) + double(y.size()));
}
BENCHMARK(max_pool)->Unit(benchmark::kMillisecond);

/// Forward reads x twice (moments, then output) and writes y: 12 bytes, 5 flops an element.
void batch_norm(benchmark::State& state) {
  const BatchNormShape s{32 * 5512, 32};
  const std::vector<float> x = uniform(s.rows * s.c), one(32, 1.0f), zero(32, 0.0f);
  std::vector<float> y(x.size()), a(32), b(32), c(32), d(32);
  for (auto _ : state)
    batch_norm_train(s, x.data(), one.data(), zero.data(), 0.99f, 1e-3f,
                     {a.data(), b.data(), c.data(), d.data()}, y.data());
  report(state, 5.0 * double(x.size()), 12.0 * double(x.size()));
}
BENCHMARK(batch_norm)->Unit(benchmark::kMillisecond);

/// Reads p, g, m, v and writes p, m, v: 28 bytes, 12 flops a parameter.
void adam_update(benchmark::State& state) {
  std::vector<float> p = uniform(1514240), g = uniform(1514240), m(p.size()), v(p.size());
  const AdamStep step = adam_step(10, 1e-3, 0.9, 0.999, 1e-7, 0);
  for (auto _ : state)
    adam(p.data(), g.data(), m.data(), v.data(), static_cast<int64_t>(p.size()), step);
  report(state, 12.0 * double(p.size()), 28.0 * double(p.size()));
}
BENCHMARK(adam_update)->Unit(benchmark::kMicrosecond);

/// One thread; the counter is seconds of audio per second.
void log_mel(benchmark::State& state) {
  const std::vector<float> wave = uniform(10 * 44100);
  std::vector<float> out((1 + wave.size() / 256) * 128);
  LogMel extractor(LogMelSettings{});
  for (auto _ : state) benchmark::DoNotOptimize(extractor.extract(wave, out.data()));
  state.counters["audio s/s"] =
      benchmark::Counter(10, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(log_mel)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace earshot

BENCHMARK_MAIN();
