// What the crops of a clip have in common in the blocks of a 1-D network (paper 2.5: a crop every
// 5,120 samples, so that neighbours overlap almost wholly).
//
// A clip is a line: its samples, and zeros before and after. A crop is a window of the line that
// starts at a multiple of 256 samples. Where the pools of the blocks so far divide 256, a cell of
// a crop is a cell of the line, but for those near the crop's ends: there a 'same' convolution has
// zeros where the line goes on. With cells [left, right) of a block's input the line's, its output
// has the line's cells
//   [ceil((left + before) / pool), floor((right - after) / pool))
// where before and after are the cells that its convolutions reach. Cells at the right end that
// fill no window of a later pool reach no output: they count as the line's. So a block runs once
// over the line, and for each crop over two strips at its ends. In the block after that the
// convolutions are the line's and only the pool, whose windows start at the crop's start, is the
// crop's own.
//
// Work of a clip of k crops at distance d, with f_i the operations of block i for one sample:
//   each crop alone    k window (f_1 + ... + f_m)
//   shared             (window + (k - 1) d) (f_1 + ... + f_s) + k window (f_s+1 + ... + f_m)
// beside the strips, which are some 32 cells a crop and block. cnn-audio 2 s at full width has
// f = 23,232, 6,912, 1,344, 240 and s = 3.
#pragma once

#include <cstdint>
#include <vector>

#include "models/networks.h"

namespace earshot {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// One of the leading blocks, which crops share. Cells are those of its input, `out_` of its
/// output.
struct SharedBlock {
  int64_t stride;               // samples a cell
  int64_t before, after;        // reach of the convolutions together
  int64_t pool;                 // cells
  bool pooled_on_line;          // the line holds pooled cells: stride * pool divides 256
  int64_t width, out_width;     // cells of a crop
  int64_t out_left, out_right;  // cells [out_left, out_right) of a crop are the line's
  int64_t strip;                // cells at either end of a crop from which the others are computed

  bool right_strip() const { return out_right < out_width; }
  int64_t strip_out() const { return strip / pool; }
  /// Cells of the line in 256 samples.
  int64_t line_cells() const;
};

/// The leading blocks of a 1-D network that its crops share: up to and with the first whose pool
/// does not divide 256 samples.
std::vector<SharedBlock> shared_blocks(const NetworkTable& table);

/// A window of a clip's line. start: samples, a multiple of 256, negative before the clip.
struct Crop {
  int64_t clip, start;
};

/// A stretch of a clip's line that crops cover. A hop is 256 samples.
struct CropSpan {
  int64_t clip, start;  // samples
  int64_t hops;
  int64_t first_hop;  // of the spans of a group, laid end to end
};

/// Consecutive crops whose lines are in memory together.
struct CropGroup {
  int64_t first = 0, count = 0;  // of the crops
  std::vector<CropSpan> spans;
  std::vector<int64_t> crop_hops;  // where each crop starts in the spans laid end to end
  int64_t hops = 0;
};

/// Groups of whole batches (the last one apart), of one batch or of about `limit` samples. Crops of
/// a clip stand together. Throws Error for a start off the grid.
std::vector<CropGroup> group_crops(const std::vector<Crop>& crops, int64_t window, int64_t batch,
                                   int64_t limit);

}  // namespace earshot
