// Which cells of a crop are its clip's: against walks over single cells.
#include "models/shared_crops.h"

#include <gtest/gtest.h>

#include "models/crop_tables.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// Whether each cell of a row has some property.
using Cells = std::vector<bool>;

int64_t input_of(int64_t cell, int64_t tap, int64_t kernel) {
  return cell + tap - (kernel - 1) / 2;
}

/// Cells that see nothing but a crop's own input, from those of the block before.
Cells after_block(Cells own, const BlockRow& row) {
  for (const auto& convolution : row.convolutions) {
    const auto width = static_cast<int64_t>(own.size());
    Cells out(own.size(), true);
    for (int64_t t = 0; t < width; ++t)
      for (int64_t k = 0; k < convolution.kernel_w; ++k) {
        const int64_t at = input_of(t, k, convolution.kernel_w);
        if (at < 0 || at >= width || !own[at]) out[t] = false;
      }
    own = out;
  }
  Cells pooled(own.size() / row.pool_w, true);
  for (size_t i = 0; i < pooled.size() * row.pool_w; ++i)
    if (!own[i]) pooled[i / row.pool_w] = false;
  return pooled;
}

/// Input cells that reach one of the cells `used` of a block's output.
Cells before_block(const Cells& used, const BlockRow& row, int64_t width) {
  Cells needed(width);
  for (size_t i = 0; i < used.size() * row.pool_w; ++i) needed[i] = used[i / row.pool_w];
  for (auto convolution = row.convolutions.rbegin(); convolution != row.convolutions.rend();
       ++convolution) {
    Cells in(width);
    for (int64_t t = 0; t < width; ++t)
      for (int64_t k = 0; k < convolution->kernel_w; ++k) {
        const int64_t at = input_of(t, k, convolution->kernel_w);
        if (needed[t] && at >= 0 && at < width) in[at] = true;
      }
    needed = in;
  }
  return needed;
}

class SharedBlocks : public testing::TestWithParam<int> {
 protected:
  NetworkTable table = audio_table(GetParam());
  std::vector<SharedBlock> blocks = shared_blocks(table);

  /// Of the output of each block: which cells reach the network's output.
  std::vector<Cells> used() const {
    std::vector<int64_t> widths{table.input.w};
    for (const BlockRow& row : table.blocks) widths.push_back(widths.back() / row.pool_w);
    std::vector<Cells> cells(table.blocks.size());
    cells.back() = Cells(widths.back(), true);
    for (size_t i = cells.size() - 1; i > 0; --i)
      cells[i - 1] = before_block(cells[i], table.blocks[i], widths[i]);
    return cells;
  }
};

TEST_P(SharedBlocks, TheLinesCellsAreThoseThatSeeNoEndAmongThoseInUse) {
  ASSERT_EQ(blocks.size(), 3u);  // the pools of the first two divide 256
  const std::vector<Cells> all_used = used();
  Cells own(table.input.w, true);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const SharedBlock& b = blocks[i];
    EXPECT_EQ(b.pooled_on_line, i < 2);
    ASSERT_EQ(b.width, static_cast<int64_t>(own.size()));
    own = after_block(own, table.blocks[i]);
    ASSERT_EQ(b.out_width, static_cast<int64_t>(own.size()));
    ASSERT_EQ(b.out_width, static_cast<int64_t>(all_used[i].size()));
    for (int64_t t = 0; t < b.out_width; ++t)
      if (all_used[i][t]) {
        EXPECT_EQ(own[t], t >= b.out_left && t < b.out_right) << "block " << i << ", cell " << t;
      }
  }
  // At 1 and 2 s the last cells of block 2 fill no window of block 3.
  EXPECT_FALSE(blocks[0].right_strip());
  EXPECT_FALSE(blocks[1].right_strip());
  EXPECT_EQ(blocks[2].right_strip(), GetParam() == 3);
}

TEST_P(SharedBlocks, StripsHoldTheOtherCells) {
  for (const SharedBlock& b : blocks) {
    // A strip's cells near the end where it was cut off are wrong.
    EXPECT_LE(b.out_left * b.pool + b.after, b.strip);
    EXPECT_LE(b.strip, 64) << "a strip is short";
    if (!b.right_strip()) continue;
    EXPECT_EQ((b.width - b.strip) % b.pool, 0);
    EXPECT_LE(b.width - b.strip + b.before, b.out_right * b.pool);
  }
}

INSTANTIATE_TEST_SUITE_P(Seconds, SharedBlocks, testing::Values(1, 2, 3));

/// Crops of one clip every 5,120 samples.
std::vector<Crop> crops_of(int64_t clip, int64_t count) {
  std::vector<Crop> crops;
  for (int64_t i = 0; i < count; ++i) crops.push_back({clip, 5120 * i});
  return crops;
}

TEST(CropGroups, AreWholeBatchesWithinTheLimit) {
  constexpr int64_t kWindow = 88200, kBatch = 64, kLimit = 1 << 21;
  const std::vector<Crop> crops = crops_of(3, 15500);  // half an hour
  const auto groups = group_crops(crops, kWindow, kBatch, kLimit);
  ASSERT_GT(groups.size(), 1u);
  int64_t next = 0;
  for (const CropGroup& group : groups) {
    EXPECT_EQ(group.first, next);
    EXPECT_TRUE(group.count % kBatch == 0 || &group == &groups.back());
    EXPECT_LE(group.hops * 256, kLimit);
    ASSERT_EQ(group.spans.size(), 1u);
    EXPECT_EQ(group.spans[0].start, 5120 * next);
    ASSERT_EQ(static_cast<int64_t>(group.crop_hops.size()), group.count);
    for (int64_t i = 0; i < group.count; ++i) EXPECT_EQ(group.crop_hops[i], 20 * i);
    next += group.count;
  }
  EXPECT_EQ(next, 15500);
}

TEST(CropGroups, ABatchAboveTheLimitIsAGroup) {
  std::vector<Crop> crops;
  for (int64_t clip = 0; clip < 7; ++clip) crops.push_back({clip, -256 * clip});
  const auto groups = group_crops(crops, 44100, 3, 1);
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[1].spans.size(), 3u);
  EXPECT_EQ(groups[1].crop_hops, (std::vector<int64_t>{0, 173, 346}));
  EXPECT_EQ(groups[2].count, 1);
}

// A clip shorter than the window: later crops begin earlier on its line.
TEST(CropGroups, SpansGrowToTheLeftToo) {
  const auto groups = group_crops({{0, 0}, {0, -5120}, {0, -6400}, {1, 0}}, 44100, 8, 1 << 20);
  ASSERT_EQ(groups.size(), 1u);
  ASSERT_EQ(groups[0].spans.size(), 2u);
  EXPECT_EQ(groups[0].spans[0].start, -6400);
  EXPECT_EQ(groups[0].spans[0].hops, 25 + 173);
  EXPECT_EQ(groups[0].crop_hops, (std::vector<int64_t>{25, 5, 0, 198}));
}

TEST(CropGroups, AStartOffTheGridIsAnError) {
  EXPECT_TRUE(contains(error_of([] { group_crops({{0, 100}}, 44100, 8, 1); }), "grid of 256"));
}

TEST(CropTables, TilesCutTheLongestSpanEvenly) {
  const auto groups = group_crops(crops_of(0, 70), 88200, 64, 1 << 21);
  const auto blocks = shared_blocks(audio_table(2));
  const TileShape t = tile_shape(blocks[0], groups, 65536);
  const int64_t cells = groups[0].hops * blocks[0].line_cells();
  const int64_t tiles = (cells + t.out - 1) / t.out;
  EXPECT_LT(tiles * t.out - cells, tiles);
  EXPECT_EQ(t.in, (t.out + 1) * 16 + 10);
  EXPECT_LE(t.passes.front(), 16);
}

}  // namespace
}  // namespace earshot
