#include "tests/kernels/gather_body.h"

namespace earshot {
namespace {

using gather_body::GatherBody;
using gather_body::kBands;
using gather_body::resized;
using gather_body::Values;

constexpr gather_body::GatherCalls kGatherCpu{
    [](const GatherPlan& plan, const WaveSource& source, int64_t t, float* out) {
      gather_wave(plan.view(), source, t, out);
    },
    [](const GatherPlan& plan, const MelSource& source, int64_t w, float* out) {
      gather_mel(plan.view(), source, w, out);
    }};

TEST(Gather, WaveIsItsDefinition) { GatherBody(kGatherCpu).wave_is_its_definition(); }
TEST(Gather, MelIsItsDefinitionForBothPaddings) {
  GatherBody(kGatherCpu).mel_is_its_definition_for_both_paddings();
}
TEST(Gather, MelKeepsToTheGridOfResizedClips) {
  GatherBody(kGatherCpu).mel_keeps_to_the_grid_of_resized_clips();
}
TEST(Gather, AnEmptyClipIsPadding) { GatherBody(kGatherCpu).an_empty_clip_is_padding(); }

TEST(ResizeColumns, IsTheTentOfHalfPixelCentres) {
  for (const auto& [native, w] :
       {std::pair<int64_t, int64_t>{173, 170}, {345, 300}, {517, 400}, {5, 11}, {1, 4}, {7, 1}}) {
    const std::vector<float> columns = random_values(native * kBands, 1, -80, 20);
    std::vector<float> out(static_cast<size_t>(kBands * w), 99.0f);
    resize_columns(columns.data(), native, w, out.data());
    expect_close(out, resized(widen(columns), native, w),
                 rounding(growth(2), Values(out.size(), 80.0)), "resized columns");
  }
}

TEST(StretchColumns, IsTheResizeWithoutItsTranspose) {
  constexpr int64_t kNative = 345, kWidth = 300;
  const std::vector<float> columns = random_values(kNative * kBands, 3, -80, 20);
  std::vector<float> stretched(kWidth * kBands), across(kWidth * kBands);
  stretch_columns(columns.data(), kNative, double(kNative) / kWidth, kWidth, stretched.data());
  resize_columns(columns.data(), kNative, kWidth, across.data());
  for (int64_t x = 0; x < kWidth; ++x)
    for (int64_t band = 0; band < kBands; ++band)
      ASSERT_EQ(stretched[x * kBands + band], across[band * kWidth + x]);
}

TEST(ResizeColumns, SameWidthIsATranspose) {
  const std::vector<float> columns = random_values(9 * kBands, 2);
  std::vector<float> out(columns.size());
  resize_columns(columns.data(), 9, 9, out.data());
  for (int64_t x = 0; x < 9; ++x)
    for (int64_t band = 0; band < kBands; ++band)
      ASSERT_EQ(out[band * 9 + x], columns[x * kBands + band]);
}

}  // namespace
}  // namespace earshot
