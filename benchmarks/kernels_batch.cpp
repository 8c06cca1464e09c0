// The operations at both ends of a step, alone: batch assembly, log-mel, and from logits to the
// step's report. 32 examples of 2 s, each of two clips of 3 s; 41 classes.
#include "benchmarks/case_tensors.h"

namespace earshot {
namespace {

constexpr int64_t kExamples = 32, kBlended = 2, kClips = 64, kClasses = 41;
constexpr int64_t kSamples = 88200, kClipSamples = 132300;           // 2 s, 3 s
constexpr int64_t kNative = 345, kColumns = 300, kClipFrames = 517;  // of the spectrogram

/// Crops, rolled by an odd number, from clips all over the store.
GatherPlan crops() {
  GatherPlan plan;
  for (int64_t i = 0; i < kExamples * kBlended; ++i) {
    if (i % kBlended == 0) plan.first_placement.push_back(static_cast<int32_t>(i));
    plan.placements.push_back(
        {i * 37 % kClips, 0.5f, i * 1001 % kClipSamples, static_cast<int32_t>(i), 1});
    plan.positions.push_back(-(i * 611 % (kClipSamples - kSamples)));
  }
  plan.first_placement.push_back(static_cast<int32_t>(kExamples * kBlended));
  return plan;
}

struct PlanOnDevice {
  Uploaded<Placement> placements{crops().placements};
  Uploaded<int32_t> first_placement{crops().first_placement};
  Uploaded<int64_t> positions{crops().positions};
  GatherPlanView view() const {
    return {placements.data(), first_placement.data(), positions.data(), kExamples};
  }
};

std::vector<int64_t> multiples(int64_t of) {
  std::vector<int64_t> values;
  for (int64_t i = 0; i < kClips; ++i) values.push_back(i * of);
  return values;
}

/// A sample of an example: 2 bytes and 2 flops for each clip, 4 bytes written.
void gather_wave(benchmark::State& state) {
  const Uploaded<int16_t> samples(
      std::vector<int16_t>(static_cast<size_t>(kClips * kClipSamples), 1234));
  const Uploaded<int64_t> offset(multiples(kClipSamples)),
      length(std::vector<int64_t>(kClips, kClipSamples));
  const PlanOnDevice plan;
  const OnDevice out({kExamples, 1, kSamples, 1});
  const WaveSource source{samples.data(), offset.data(), length.data()};
  time_on_device(state, [&] { benchmark_backend().gather_wave(plan.view(), source, out); });
  const double count = double(kExamples * kSamples);
  report(state, 2 * kBlended * count, (2 * kBlended + 4) * count);
}
BENCHMARK(gather_wave)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// A native cell: 4 bytes and 2 flops for each clip; a cell of the output: 3 flops, 4 bytes.
void gather_mel(benchmark::State& state) {
  const OnDevice columns({kClips, kClipFrames, 128, 1});
  const Uploaded<int64_t> offset(multiples(kClipFrames * 128)),
      frames(std::vector<int64_t>(kClips, kClipFrames));
  const Uploaded<float> floor(std::vector<float>(kClips, -80.0f));
  const PlanOnDevice plan;
  const OnDevice out({kExamples, 128, kColumns, 1});
  const MelSource source{
      columns.tensor.f32(), offset.data(), frames.data(), floor.data(), false, kNative, {}};
  time_on_device(state, [&] { benchmark_backend().gather_mel(plan.view(), source, out); });
  const double native = double(kExamples * kNative * 128),
               resized = double(kExamples * kColumns * 128);
  report(state, 2 * kBlended * native + 3 * resized, 4 * kBlended * native + 4 * resized);
}
BENCHMARK(gather_mel)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// 32 waves of 2 s; audio s/s is seconds of audio per second. 2048 log2(2048) 5/2 flops for the
/// real transform of a frame, 3 for each of 1025 powers, 2 for each of their 2 mel weights.
void log_mel(benchmark::State& state) {
  const OnDevice wave({kExamples, 1, kSamples, 1}), out({kExamples, 128, kColumns, 1});
  time_on_device(state, [&] { benchmark_backend().log_mel(wave, LogMelSettings{}, out); });
  const double frames = double(kExamples * kNative);
  report(state, frames * (2.5 * 2048 * 11 + 1025 * (3 + 4)),
         4.0 * double(kExamples) * (kSamples + 128 * kColumns));
  state.counters["audio s/s"] = benchmark::Counter(double(kExamples * kSamples) / 44100,
                                                   benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(log_mel)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Per cell of the logits 8 flops; logits, targets and dlogits are 12 bytes.
void softmax_loss(benchmark::State& state) {
  const Shape cells{kExamples, 1, 1, kClasses};
  const OnDevice logits(cells), targets(cells), weights(vector(kClasses)),
      loss({kExamples, 1, 1, 1}), dlogits(cells);
  time_on_device(state, [&] {
    benchmark_backend().softmax_loss({logits, targets, weights, loss, dlogits});
  });
  report(state, 8.0 * double(cells.count()), 12.0 * double(cells.count()));
}
BENCHMARK(softmax_loss)->Unit(benchmark::kMicrosecond)->UseRealTime();

/// Looks at the loss and at every gradient of cnn-audio: 4 bytes and a comparison each.
void report_step(benchmark::State& state) {
  constexpr int64_t kParameters = 1514240;
  const OnDevice loss({kExamples, 1, 1, 1}), gradients(vector(kParameters));
  const Uploaded<StepReport> to(std::vector<StepReport>(1));
  time_on_device(state, [&] { benchmark_backend().report_step(loss, gradients, to.data()); });
  report(state, kParameters, 4.0 * kParameters);
}
BENCHMARK(report_step)->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace earshot
