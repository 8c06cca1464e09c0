// What the shared audio trunk (audio_crops.h) copies where, for one group of crops: host arithmetic
// only, so that a whole group is one upload.
#pragma once

#include <span>

#include "kernels/cells.h"
#include "kernels/gather.h"
#include "models/shared_crops.h"

namespace earshot {

/// How the line of one block is computed: in tiles of equal width, some at once. A tile begins with
/// `lead` cells that it gets wrong, as its convolutions see its end.
struct TileShape {
  int64_t pool;                 // of the line: the block's, or 1
  int64_t in, out, lead, cut;   // cells: of its input; right ones, wrong ones before, all of them
  std::vector<int64_t> passes;  // how many tiles may run at once, descending
};

/// Tiles of about `pass_cells` input cells a pass that cut the longest span evenly.
TileShape tile_shape(const SharedBlock& block, const std::vector<CropGroup>& groups,
                     int64_t pass_cells);

/// A part of a table.
struct Range {
  int64_t first = 0, count = 0;
};

struct CropTables {
  GatherPlan waves;           // inputs of the first block
  std::vector<CellRun> runs;  // copies everywhere else

  struct TilePass {
    int64_t tiles;  // planned size, of which some may be idle
    Range waves;    // first block
    Range in, out;  // others: from the line below; all: to the line
  };
  std::vector<std::vector<TilePass>> lines;  // [block][pass]

  /// Into the strips of a block, or at last into the crops: what is the line's, and what the strips
  /// of the block below have.
  struct Assembly {
    Range line, strips;
  };
  struct Batch {
    int64_t first, count;          // crops of the group
    Range waves;                   // strips of the first block
    std::vector<Assembly> strips;  // [block - 1]
    Assembly crops;
  };
  std::vector<Batch> batches;
};

/// `crops`: all of them; `batch`: crops that run at once.
CropTables crop_tables(std::span<const SharedBlock> blocks, std::span<const TileShape> tiles,
                       const CropGroup& group, const std::vector<Crop>& crops, int64_t batch);

/// The strips of n crops: the left ends, then the right ends where the block has them.
int64_t strip_count(const SharedBlock& block, int64_t crops);

}  // namespace earshot
