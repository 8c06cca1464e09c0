// The layers and the update of a step, each alone, at the shapes of cnn-audio 2 s and cnn-spec 2 s,
// batch 32, on the device of --device; kernels_batch.cpp has the rest. GB/s counts each tensor read
// or written once; GFLOP/s as stated per case.
#include <stdlib.h>

#include "benchmarks/case_tensors.h"
#include "engine/conv_block.h"

namespace earshot {
namespace {

constexpr ConvolutionShape kConvolutions[] = {
    {32, 1, 88200, 1, 32, 1, 11, 1, 1}, {32, 1, 88200, 32, 32, 1, 11, 1, 16},
    {32, 1, 5512, 64, 64, 1, 9, 1, 16}, {32, 1, 344, 128, 128, 1, 7, 1, 16},
    {32, 128, 300, 1, 64, 4, 4, 1, 1},  {32, 128, 300, 64, 64, 4, 4, 2, 2},
    {32, 32, 75, 64, 128, 3, 3, 2, 4},  {32, 8, 9, 128, 256, 3, 3, 2, 2},
    {32, 64, 150, 64, 64, 4, 4, 2, 2},  {32, 16, 18, 128, 128, 3, 3, 2, 2},
    {32, 4, 4, 256, 256, 3, 3, 2, 2},
};

/// Forward: flops() of ConvolutionShape. Backward: twice that, the dense count, whatever the
/// implementation skips; once where the input is a network's, which has no gradient.
void convolution(benchmark::State& state, bool backward) {
  const ConvolutionShape& s = kConvolutions[state.range(0)];
  const auto plan = benchmark_backend().convolution(s, {}, "bench");
  const OnDevice x(s.x()), weight(s.weight()), bias(vector(s.c_out)), y(s.y()), dy(s.y()),
      dx(s.x()), dweight(s.weight()), dbias(vector(s.c_out)), argmax(s.y(), DType::kU8);
  const OnDevice scratch(vector(std::max(plan->forward_scratch(), plan->backward_scratch())),
                         DType::kU8);
  const bool first = s.c_in == 1;
  const ConvolutionForward forward{x, weight, bias, y, argmax, scratch};
  plan->forward(forward);
  time_on_device(state, [&] {
    if (backward)
      plan->backward({x, weight, y, argmax, dy, first ? Tensor{} : dx, dweight, dbias, scratch});
    else
      plan->forward(forward);
  });
  const double tensors = 4.0 * double(s.x().count() + s.y().count() + s.weight().count());
  const double times = backward && !first ? 2 : 1;
  report(state, s.flops() * times, tensors * times);
  state.SetLabel(fmt::format("{} k{}x{} -> {} pool {}x{}: {}", to_string(s.x()), s.kernel_h,
                             s.kernel_w, s.c_out, s.pool_h, s.pool_w, plan->implementation()));
}
BENCHMARK_CAPTURE(convolution, forward, false)
    ->DenseRange(0, 10)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(convolution, backward, true)
    ->DenseRange(0, 10)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// Audio block 1 of 2 s as a layer: in the form that the device has for it, or composed of its
/// convolutions. flops and bytes: ConvBlock::work, the same for both.
void wave_block(benchmark::State& state, const char* form, bool backward) {
  const Shape input{32, 1, 88200, 1};
  Backend& backend = benchmark_backend();
  Parameters parameters;
  ConvBlock block(backend, parameters, "block1", {{{1, 11, 32}, {1, 11, 32}}, 1, 16}, input.c);
  ArenaPlan arena;
  Planner planner(arena, {input.n});
  planner.training = true;
  planner.advance();
  setenv("EARSHOT_BLOCKS", form, 1);
  const Shape output = block.plan(planner, input);
  unsetenv("EARSHOT_BLOCKS");
  arena.lay_out();
  parameters.allocate(backend, /*trained=*/true);
  parameters.initialise(1);
  const CaseMemory memory(arena.bytes());
  block.bind({arena, memory.data()});
  const OnDevice x(input), dy(output);
  block.forward(x, {Mode::kTrain});
  time_on_device(state, [&] {
    if (backward)
      block.backward(dy);
    else
      block.forward(x, {Mode::kTrain});
  });
  Work work;
  for (const LayerWork& part : block.work(input.n)) {
    work.flops += (backward ? part.backward : part.forward).flops;
    work.bytes += (backward ? part.backward : part.forward).bytes;
  }
  report(state, work.flops, work.bytes);
}
BENCHMARK_CAPTURE(wave_block, forward, "fused", false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(wave_block, forward_composed, "composed", false)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(wave_block, backward, "fused", true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(wave_block, backward_composed, "composed", true)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// Frozen, over its input: read and written, 8 bytes, 2 flops an element.
void batch_norm_inference(benchmark::State& state) {
  const Shape shape{32, 1, 5512, 32};
  const OnDevice x(shape), gamma(vector(32)), beta(vector(32)), mean(vector(32)),
      variance(vector(32));
  const std::vector<float> one(32, 1.0f);
  benchmark_backend().copy_to_device(variance, one.data());
  time_on_device(state, [&] {
    benchmark_backend().batch_norm_inference(
        {x, gamma, beta, mean, variance, x, {}, {}, 0.99f, 1e-3f});
  });
  report(state, 2 * double(shape.count()), 8 * double(shape.count()));
}
BENCHMARK(batch_norm_inference)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// Forward reads x twice (moments, then output) and writes y: 12 bytes, 5 flops an element.
/// Backward reads x and dy twice and writes dx: 20 bytes, 10 flops an element.
void batch_norm(benchmark::State& state, bool backward) {
  const Shape shape{32, 1, 5512, 32};
  const OnDevice x(shape), y(shape), dy(shape), dx(shape), gamma(vector(32)), beta(vector(32)),
      moving_mean(vector(32)), moving_variance(vector(32)), mean(vector(32)), deviation(vector(32)),
      dgamma(vector(32)), dbeta(vector(32));
  Backend& backend = benchmark_backend();
  time_on_device(state, [&] {
    if (backward)
      backend.batch_norm_backward({x, gamma, mean, deviation, dy, dx, dgamma, dbeta});
    else
      backend.batch_norm_train(
          {x, gamma, beta, moving_mean, moving_variance, y, mean, deviation, 0.99f, 1e-3f});
  });
  const auto count = double(shape.count());
  report(state, (backward ? 10 : 5) * count, (backward ? 20 : 12) * count);
}
BENCHMARK_CAPTURE(batch_norm, forward, false)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(batch_norm, backward, true)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// The dense layer of cnn-spec: 2 n in out flops forward, twice that backward.
void dense(benchmark::State& state, bool backward) {
  const int64_t n = 32, in = 4 * 4 * 256, out = 64;
  const OnDevice x({n, 1, 1, in}), weight({in, 1, 1, out}), bias(vector(out)), y({n, 1, 1, out}),
      dy({n, 1, 1, out}), dx({n, 1, 1, in}), dweight({in, 1, 1, out}), dbias(vector(out));
  Backend& backend = benchmark_backend();
  time_on_device(state, [&] {
    if (backward)
      backend.dense_backward({x, weight, y, dy, dx, dweight, dbias, Activation::kRelu});
    else
      backend.dense_forward({x, weight, bias, y, Activation::kRelu});
  });
  const double times = backward ? 2 : 1;
  report(state, times * 2.0 * double(n * in * out),
         times * 4.0 * double(n * in + in * out + n * out));
}
BENCHMARK_CAPTURE(dense, forward, false)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK_CAPTURE(dense, backward, true)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// Reads p, g, m, v and writes p, m, v: 28 bytes, 12 flops a parameter.
void adam_update(benchmark::State& state) {
  constexpr int64_t kParameters = 1514240;
  const OnDevice p(vector(kParameters)), g(vector(kParameters)), m(vector(kParameters)),
      v(vector(kParameters));
  benchmark_backend().zero(v);
  const StepScalars scalars{adam_step(10, 1e-3, 0.9, 0.999, 1e-7, 0)};
  const Uploaded<StepScalars> block({scalars});
  const Uploaded<StepReport> good(std::vector<StepReport>(1));
  const OnDevice statistics(vector(1024)), saved(vector(1024));
  const Update update{p, g, m, v, statistics, saved, block.data(), good.data()};
  time_on_device(state, [&] { benchmark_backend().update(update); });
  report(state, 12.0 * kParameters, 28.0 * kParameters);
}
BENCHMARK(adam_update)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace earshot
