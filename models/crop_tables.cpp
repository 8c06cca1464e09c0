#include "models/crop_tables.h"

#include <algorithm>

#include "data/draw.h"
#include "data/features.h"

namespace earshot {
namespace {

constexpr int64_t kTiles = 16;  // a pass: work for every thread, and short margins

int64_t span_cells(const CropSpan& span, const SharedBlock& block) {
  return span.hops * block.line_cells();
}

struct Tables {
  std::span<const SharedBlock> blocks;
  std::span<const TileShape> tiles;
  const CropGroup& group;
  const std::vector<Crop>& crops;
  CropTables out;

  void add_wave(int64_t clip, int64_t start) {
    fixed_placement(clip, -start, out.waves);
    end_example(out.waves);
  }
  void add_run(int64_t to, int64_t from, int64_t count) {
    if (count <= 0) return;
    const auto narrow = [](int64_t x) { return static_cast<int32_t>(x); };
    out.runs.push_back({narrow(to), narrow(from), narrow(count)});
  }
  /// What `add` adds to the plan of waves or to the runs.
  template <typename Add>
  Range waves(const Add& add) {
    const int64_t first = out.waves.placements.size();
    add();
    return {first, static_cast<int64_t>(out.waves.placements.size()) - first};
  }
  template <typename Add>
  Range runs(const Add& add) {
    const int64_t first = out.runs.size();
    add();
    return {first, static_cast<int64_t>(out.runs.size()) - first};
  }

  struct Tile {
    const CropSpan* span;
    int64_t first;  // cell of the span's line
  };
  void add_line(size_t level);
  void add_tile_input(size_t level, const Tile& tile, int64_t slot);
  void add_tile_output(size_t level, const Tile& tile, int64_t slot);

  struct Window {  // of a crop, in cells of a block's output
    int64_t crop, slot, begin, end;
  };
  CropTables::Assembly assembly(size_t level, const std::vector<Window>& windows, int64_t width,
                                const CropTables::Batch& batch);
  void add_batch(int64_t first, int64_t count);
};

void Tables::add_tile_input(size_t level, const Tile& tile, int64_t slot) {
  const TileShape& t = tiles[level];
  const int64_t begin = (tile.first - t.lead) * t.pool;  // in cells of the block's input
  if (level == 0) return add_wave(tile.span->clip, tile.span->start + begin);
  const int64_t end = span_cells(*tile.span, blocks[level - 1]);
  const int64_t from = std::max<int64_t>(begin, 0), to = std::min(begin + t.in, end);
  add_run(slot * t.in + from - begin, tile.span->first_hop * blocks[level - 1].line_cells() + from,
          to - from);
}

void Tables::add_tile_output(size_t level, const Tile& tile, int64_t slot) {
  const TileShape& t = tiles[level];
  add_run(tile.span->first_hop * blocks[level].line_cells() + tile.first, slot * t.cut + t.lead,
          std::min(t.out, span_cells(*tile.span, blocks[level]) - tile.first));
}

void Tables::add_line(size_t level) {
  std::vector<Tile> all;
  for (const CropSpan& span : group.spans)
    for (int64_t at = 0; at < span_cells(span, blocks[level]); at += tiles[level].out)
      all.push_back({&span, at});
  const auto total = static_cast<int64_t>(all.size());
  const int64_t most = tiles[level].passes.front(), few = tiles[level].passes.back();
  auto& passes = out.lines.emplace_back();
  for (int64_t first = 0; first < total;) {
    CropTables::TilePass pass{};
    pass.tiles = total - first > most - few ? most : few;
    const int64_t used = std::min(pass.tiles, total - first);
    const auto inputs = [&] {
      for (int64_t i = 0; i < used; ++i) add_tile_input(level, all[first + i], i);
    };
    if (level == 0)
      pass.waves = waves(inputs);
    else
      pass.in = runs(inputs);
    pass.out = runs([&] {
      for (int64_t i = 0; i < used; ++i) add_tile_output(level, all[first + i], i);
    });
    passes.push_back(pass);
    first += used;
  }
}

CropTables::Assembly Tables::assembly(size_t level, const std::vector<Window>& windows,
                                      int64_t width, const CropTables::Batch& batch) {
  const SharedBlock& b = blocks[level];
  const int64_t pool = b.pooled_on_line ? 1 : b.pool;
  CropTables::Assembly parts;
  parts.line = runs([&] {
    for (const Window& w : windows) {
      const int64_t from = std::max(w.begin, b.out_left), to = std::min(w.end, b.out_right);
      add_run(w.slot * width + from - w.begin,
              group.crop_hops[w.crop] * b.line_cells() + from * pool, to - from);
    }
  });
  parts.strips = runs([&] {
    const int64_t skipped = (b.width - b.strip) / b.pool;  // where right strips begin
    for (const Window& w : windows) {
      const int64_t left = w.crop - batch.first, right = left + batch.count;
      add_run(w.slot * width, left * b.strip_out() + w.begin,
              std::min(w.end, b.out_left) - w.begin);
      const int64_t from = std::max(w.begin, b.out_right);
      add_run(w.slot * width + from - w.begin, right * b.strip_out() + from - skipped,
              w.end - from);
    }
  });
  return parts;
}

void Tables::add_batch(int64_t first, int64_t count) {
  CropTables::Batch batch{first, count, {}, {}, {}};
  for (size_t level = 0; level < blocks.size(); ++level) {
    const SharedBlock& b = blocks[level];
    std::vector<Window> windows;
    windows.reserve(2 * count);
    for (int64_t i = 0; i < count; ++i) windows.push_back({first + i, i, 0, b.strip});
    if (b.right_strip())
      for (int64_t i = 0; i < count; ++i)
        windows.push_back({first + i, count + i, b.width - b.strip, b.width});
    if (level > 0) {
      batch.strips.push_back(assembly(level - 1, windows, b.strip, batch));
      continue;
    }
    batch.waves = waves([&] {
      for (const Window& w : windows) {
        const Crop& crop = crops[group.first + w.crop];
        add_wave(crop.clip, crop.start + w.begin);
      }
    });
  }
  const int64_t width = blocks.back().out_width;
  std::vector<Window> whole;
  whole.reserve(count);
  for (int64_t i = 0; i < count; ++i) whole.push_back({first + i, i, 0, width});
  batch.crops = assembly(blocks.size() - 1, whole, width, batch);
  out.batches.push_back(std::move(batch));
}

}  // namespace

int64_t strip_count(const SharedBlock& block, int64_t crops) {
  return block.right_strip() ? 2 * crops : crops;
}

TileShape tile_shape(const SharedBlock& block, const std::vector<CropGroup>& groups,
                     int64_t pass_cells) {
  TileShape t{};
  t.pool = block.pooled_on_line ? block.pool : 1;
  t.lead = ceil_div(block.before, t.pool);
  int64_t longest = 1, most = 1;
  for (const CropGroup& group : groups)
    for (const CropSpan& span : group.spans) longest = std::max(longest, span_cells(span, block));
  const int64_t wanted = std::max<int64_t>(pass_cells / kTiles / t.pool, 1);
  t.out = ceil_div(longest, ceil_div(longest, wanted));
  t.in = (t.out + t.lead) * t.pool + block.after;
  t.cut = t.in / t.pool;
  for (const CropGroup& group : groups) {
    int64_t tiles = 0;
    for (const CropSpan& span : group.spans) tiles += ceil_div(span_cells(span, block), t.out);
    most = std::max(most, tiles);
  }
  const int64_t at_once = ceil_div(most, ceil_div(most, kTiles));
  t.passes = {at_once, ceil_div(at_once, 4)};
  return t;
}

CropTables crop_tables(std::span<const SharedBlock> blocks, std::span<const TileShape> tiles,
                       const CropGroup& group, const std::vector<Crop>& crops, int64_t batch) {
  Tables tables{blocks, tiles, group, crops, {}};
  for (size_t level = 0; level < blocks.size(); ++level) tables.add_line(level);
  for (int64_t first = 0; first < group.count; first += batch)
    tables.add_batch(first, std::min(batch, group.count - first));
  return std::move(tables.out);
}

}  // namespace earshot
