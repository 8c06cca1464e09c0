#include "tests/emulator/emulator.h"
#include "tests/kernels/gather_body.h"

namespace earshot {
namespace {

using emulator::Input;
using emulator::Output;
using gather_body::GatherBody;
using gather_body::kBands;

constexpr size_t kClips = 6;  // of GatherBody

/// A plan and the clips' table on the emulated device.
struct OnEmulator {
  Input<Placement> placements;
  Input<int32_t> first_placement;
  Input<int64_t> positions, offset, length;
  explicit OnEmulator(const GatherPlan& plan, const int64_t* offsets, const int64_t* lengths)
      : placements("placements", plan.placements),
        first_placement("first placement", plan.first_placement),
        positions("positions", plan.positions),
        offset("offset", {offsets, offsets + kClips}),
        length("length", {lengths, lengths + kClips}) {}
  GatherPlanView view(const GatherPlan& plan) const {
    return {placements.data(), first_placement.data(), positions.data(), plan.examples()};
  }
};

void wave(const GatherPlan& plan, const WaveSource& source, int64_t t, float* out) {
  const OnEmulator on(plan, source.offset, source.length);
  const int64_t count = source.offset[kClips - 1] + source.length[kClips - 1];
  const Input<int16_t> samples("samples", {source.samples, source.samples + count});
  Output<float> to("wave", plan.examples() * t);
  cuda::gather_wave(on.view(plan), {samples.data(), on.offset.data(), on.length.data()}, t,
                    to.data(), nullptr);
  const std::vector<float> values = to.values();
  std::copy(values.begin(), values.end(), out);
}

void mel(const GatherPlan& plan, const MelSource& source, int64_t w, float* out) {
  const OnEmulator on(plan, source.offset, source.frames);
  const int64_t count = source.offset[kClips - 1] + source.frames[kClips - 1] * kBands;
  const Input<float> columns("columns", {source.columns, source.columns + count}),
      floor("floor", {source.floor, source.floor + kClips});
  Output<float> to("log-mel", plan.examples() * kBands * w);
  MelSource there = source;
  there.columns = columns.data();
  there.offset = on.offset.data();
  there.frames = on.length.data();
  there.floor = floor.data();
  cuda::gather_mel(on.view(plan), there, w, to.data(), nullptr);
  const std::vector<float> values = to.values();
  std::copy(values.begin(), values.end(), out);
}

constexpr gather_body::GatherCalls kEmulated{wave, mel};

TEST(EmulatedGather, WaveIsItsDefinition) { GatherBody(kEmulated).wave_is_its_definition(); }
TEST(EmulatedGather, MelIsItsDefinitionForBothPaddings) {
  GatherBody(kEmulated).mel_is_its_definition_for_both_paddings();
}
TEST(EmulatedGather, MelKeepsToTheGridOfResizedClips) {
  GatherBody(kEmulated).mel_keeps_to_the_grid_of_resized_clips();
}
TEST(EmulatedGather, AnEmptyClipIsPadding) { GatherBody(kEmulated).an_empty_clip_is_padding(); }

}  // namespace
}  // namespace earshot
