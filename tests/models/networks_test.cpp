// The networks of the paper: Tables 1 and 2 row by row, parameter counts, and how they are planned.
#include "models/networks.h"

#include <gtest/gtest.h>

#include "models/tagger.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

constexpr int kPaperClasses = 41;

/// Shapes as the paper's tables list them: after every convolution, and after every pool.
std::vector<Shape> rows_of(const NetworkTable& table) {
  std::vector<Shape> rows{table.input};
  for (const BlockRow& block : table.blocks) {
    Shape x = rows.back();
    for (const auto& convolution : block.convolutions) {
      x.c = convolution.channels;
      rows.push_back(x);
    }
    rows.push_back({1, x.h / block.pool_h, x.w / block.pool_w, x.c});
  }
  return rows;
}

std::vector<Shape> waves(std::vector<std::pair<int64_t, int64_t>> rows) {  // (time, channels)
  std::vector<Shape> shapes;
  for (const auto& [t, c] : rows) shapes.push_back({1, 1, t, c});
  return shapes;
}

TEST(AudioTable, IsTable1) {
  EXPECT_EQ(rows_of(audio_table(1)), waves({{44100, 1},
                                            {44100, 32},
                                            {44100, 32},
                                            {5512, 32},
                                            {5512, 64},
                                            {5512, 64},
                                            {344, 64},
                                            {344, 128},
                                            {344, 128},
                                            {21, 128},
                                            {21, 256},
                                            {21, 256},
                                            {1, 256}}));
  EXPECT_EQ(rows_of(audio_table(2)), waves({{88200, 1},
                                            {88200, 32},
                                            {88200, 32},
                                            {5512, 32},
                                            {5512, 64},
                                            {5512, 64},
                                            {344, 64},
                                            {344, 128},
                                            {344, 128},
                                            {21, 128},
                                            {21, 256},
                                            {21, 256},
                                            {1, 256}}));
  EXPECT_EQ(rows_of(audio_table(3)), waves({{132300, 1},
                                            {132300, 32},
                                            {132300, 32},
                                            {8268, 32},
                                            {8268, 64},
                                            {8268, 64},
                                            {516, 64},
                                            {516, 128},
                                            {516, 128},
                                            {32, 128},
                                            {32, 256},
                                            {32, 256},
                                            {2, 256}}));
}

TEST(SpecTable, IsTable2) {
  const std::vector<Shape> one{
      {1, 128, 170, 1}, {1, 128, 170, 64}, {1, 128, 170, 64}, {1, 128, 170, 64}, {1, 128, 170, 64},
      {1, 64, 85, 64},  {1, 64, 85, 128},  {1, 32, 21, 128},  {1, 32, 21, 128},  {1, 16, 10, 128},
      {1, 16, 10, 256}, {1, 8, 5, 256},    {1, 8, 5, 256},    {1, 4, 2, 256}};
  const std::vector<Shape> two{
      {1, 128, 300, 1}, {1, 128, 300, 64}, {1, 128, 300, 64}, {1, 64, 150, 64}, {1, 64, 150, 64},
      {1, 32, 75, 64},  {1, 32, 75, 128},  {1, 16, 18, 128},  {1, 16, 18, 128}, {1, 8, 9, 128},
      {1, 8, 9, 256},   {1, 4, 4, 256},    {1, 4, 4, 256},    {1, 2, 2, 256}};
  const std::vector<Shape> three{
      {1, 128, 400, 1}, {1, 128, 400, 64}, {1, 128, 400, 64}, {1, 64, 200, 64}, {1, 64, 200, 64},
      {1, 32, 100, 64}, {1, 32, 100, 128}, {1, 16, 25, 128},  {1, 16, 25, 128}, {1, 8, 12, 128},
      {1, 8, 12, 256},  {1, 4, 6, 256},    {1, 4, 6, 256},    {1, 2, 3, 256}};
  EXPECT_EQ(rows_of(spec_table(1)), one);
  EXPECT_EQ(rows_of(spec_table(2)), two);
  EXPECT_EQ(rows_of(spec_table(3)), three);
}

TEST(Tables, KernelsAndDenseWidths) {
  for (int seconds = 1; seconds <= 3; ++seconds) {
    const int64_t audio_kernels[] = {11, 9, 7, 5};
    const NetworkTable audio = audio_table(seconds), spec = spec_table(seconds);
    ASSERT_EQ(audio.blocks.size(), 4u);
    for (size_t b = 0; b < 4; ++b)
      for (const auto& convolution : audio.blocks[b].convolutions) {
        EXPECT_EQ(convolution.kernel_h, 1);
        EXPECT_EQ(convolution.kernel_w, audio_kernels[b]);
      }
    ASSERT_EQ(spec.blocks.size(), 6u);
    for (size_t b = 0; b < 6; ++b)
      for (const auto& convolution : spec.blocks[b].convolutions) {
        EXPECT_EQ(convolution.kernel_h, b < 2 ? 4 : 3);
        EXPECT_EQ(convolution.kernel_w, b < 2 ? 4 : 3);
      }
    EXPECT_EQ(audio.dense, 512);
    EXPECT_EQ(spec.dense, 256);
  }
}

TEST(Tables, WindowsAndJoinedWidths) {
  const int64_t columns[] = {173, 345, 517}, joined[] = {2304, 1280, 2048};
  for (int seconds = 1; seconds <= 3; ++seconds) {
    EXPECT_EQ(window_samples(seconds), 44100 * seconds);
    EXPECT_EQ(native_columns(seconds), columns[seconds - 1]);
    EXPECT_EQ(trunk_features(audio_table(seconds)) + trunk_features(spec_table(seconds)),
              joined[seconds - 1]);
  }
}

TEST(Scaled, RoundsEveryWidthAndKeepsAtLeastOne) {
  const NetworkTable half = scaled(audio_table(2), 0.5), least = scaled(spec_table(1), 0.001);
  EXPECT_EQ(half.blocks[0].convolutions[1].channels, 16);
  EXPECT_EQ(half.blocks[3].convolutions[0].channels, 128);
  EXPECT_EQ(half.dense, 256);
  EXPECT_EQ(half.input, audio_table(2).input);
  EXPECT_EQ(scaled(audio_table(2), 0.1).blocks[0].convolutions[0].channels, 3);  // 3.2
  EXPECT_EQ(least.blocks[5].convolutions[0].channels, 1);
  EXPECT_EQ(least.dense, 1);
}

Config config_of(int seconds) {
  Config config;
  config.seconds = seconds;
  return config;
}

/// The nine networks of the paper at full size.
class PaperNetwork : public testing::TestWithParam<std::tuple<ModelKind, int>> {
 protected:
  ModelKind kind = std::get<0>(GetParam());
  int seconds = std::get<1>(GetParam());
  std::unique_ptr<Backend> backend = make_cpu_backend(2);
  Tagger tagger{*backend, config_of(seconds), kind, kPaperClasses, /*trained=*/false};
};

TEST_P(PaperNetwork, HasThePapersParameters) {
  const int64_t audio[] = {886025, 886025, 1017097}, spec[] = {1776361, 1514217, 1645289};
  const int64_t joined[] = {2304, 1280, 2048};
  // Dense + batch norm of 512-256-256-128, then the softmax layer.
  const int64_t head = joined[seconds - 1] * 512 + 3 * 512 + 512 * 256 + 3 * 256 + 256 * 256 +
                       3 * 256 + 256 * 128 + 3 * 128 + 129 * kPaperClasses;
  const int64_t expected = kind == ModelKind::kAudio  ? audio[seconds - 1]
                           : kind == ModelKind::kSpec ? spec[seconds - 1]
                                                      : head;
  EXPECT_EQ(tagger.trainable().trainable_count(), expected);
}

// Planning alone: the library's slow fallback is named "ref".
TEST_P(PaperNetwork, NoConvolutionFallsBackToAReferenceImplementation) {
  for (const ModelKind trunk : {ModelKind::kAudio, ModelKind::kSpec}) {
    if (trunk == ModelKind::kAudio ? !tagger.has_audio() : !tagger.has_spec()) continue;
    const NetworkTable table = tagger.table(trunk);
    Shape x = table.input;
    for (const BlockRow& block : table.blocks)
      for (size_t i = 0; i < block.convolutions.size(); ++i) {
        const auto& row = block.convolutions[i];
        const bool last = i + 1 == block.convolutions.size();
        const ConvolutionShape shape{32,
                                     x.h,
                                     x.w,
                                     x.c,
                                     row.channels,
                                     row.kernel_h,
                                     row.kernel_w,
                                     last ? block.pool_h : 1,
                                     last ? block.pool_w : 1};
        const std::string used = backend->convolution(shape, {}, "test")->implementation();
        EXPECT_FALSE(contains(used, "ref"))
            << to_string(x) << " by " << to_string(shape.weight()) << " uses " << used;
        EXPECT_FALSE(used.empty());
        x = shape.y();
      }
  }
}

TEST_P(PaperNetwork, ArenaSharesBytesButNeverAtOneTime) {
  for (const bool training : {false, true}) {
    const TaggerPass pass(tagger, training, {2});
    const auto& entries = pass.arena().entries();
    ASSERT_FALSE(entries.empty());
    for (size_t i = 0; i < entries.size(); ++i)
      for (size_t j = 0; j < i; ++j) {
        const auto &a = entries[i], &b = entries[j];
        const bool apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
        EXPECT_TRUE(apart || !a.lifetime.overlaps(b.lifetime)) << a.name << " and " << b.name;
      }
    EXPECT_LT(pass.arena().bytes(), pass.arena().unshared_bytes());
  }
}

INSTANTIATE_TEST_SUITE_P(All, PaperNetwork,
                         testing::Combine(testing::Values(ModelKind::kAudio, ModelKind::kSpec,
                                                          ModelKind::kComb),
                                          testing::Values(1, 2, 3)),
                         [](const auto& of) {
                           return std::string(to_string(std::get<0>(of.param))).substr(4) +
                                  std::to_string(std::get<1>(of.param)) + "s";
                         });

}  // namespace
}  // namespace earshot
