#include "models/shared_crops.h"

#include <algorithm>

#include "data/features.h"

namespace earshot {
namespace {

int64_t reach_after(const BlockRow& row) {
  int64_t cells = 0;
  for (const auto& convolution : row.convolutions) cells += convolution.kernel_w / 2;
  return cells;
}

/// Of the output of block `index`: the first cells, on which the network's output depends.
int64_t used_cells(const NetworkTable& table, size_t index) {
  std::vector<int64_t> widths{table.input.w};
  for (const BlockRow& row : table.blocks) widths.push_back(widths.back() / row.pool_w);
  int64_t used = widths.back();
  for (size_t i = table.blocks.size(); i > index + 1; --i) {
    const BlockRow& row = table.blocks[i - 1];
    used = std::min(widths[i - 1], used * row.pool_w + reach_after(row));
  }
  return used;
}

/// The narrowest strip for both ends; at the right end it must start at a window of the pool.
int64_t strip_cells(const SharedBlock& b) {
  const int64_t left = b.out_left * b.pool + b.after;
  if (!b.right_strip()) return std::min(left, b.width);
  const int64_t needed = std::max(left, b.width - b.out_right * b.pool + b.before);
  return b.width - std::max<int64_t>(b.width - needed, 0) / b.pool * b.pool;
}

/// Adds a crop's window to the spans of its group; those of a clip grow while crops overlap.
void cover(const Crop& crop, int64_t window, CropGroup& group) {
  if (crop.start % kHopLength != 0)
    fail("a crop at sample {} is not on the grid of {}", crop.start, kHopLength);
  const int64_t hops = ceil_div(window, kHopLength), end = crop.start + hops * kHopLength;
  if (!group.spans.empty()) {
    CropSpan& span = group.spans.back();
    const int64_t span_end = span.start + span.hops * kHopLength;
    if (span.clip == crop.clip && crop.start < span_end && end > span.start) {
      const int64_t start = std::min(span.start, crop.start);
      span = {crop.clip, start, (std::max(span_end, end) - start) / kHopLength, 0};
      return;
    }
  }
  group.spans.push_back({crop.clip, crop.start, hops, 0});
}

/// Lays the spans end to end and finds the crops in them.
void lay_out(const std::vector<Crop>& crops, CropGroup& group) {
  group.hops = 0;
  for (CropSpan& span : group.spans) {
    span.first_hop = group.hops;
    group.hops += span.hops;
  }
  auto span = group.spans.begin();
  for (int64_t i = group.first; i < group.first + group.count; ++i) {
    const auto holds = [&](const CropSpan& s) {
      return s.clip == crops[i].clip && s.start <= crops[i].start &&
             crops[i].start < s.start + s.hops * kHopLength;
    };
    span = std::find_if(span, group.spans.end(), holds);
    group.crop_hops.push_back(span->first_hop + (crops[i].start - span->start) / kHopLength);
  }
}

}  // namespace

int64_t SharedBlock::line_cells() const {
  return kHopLength / (pooled_on_line ? stride * pool : stride);
}

std::vector<SharedBlock> shared_blocks(const NetworkTable& table) {
  std::vector<SharedBlock> blocks;
  int64_t stride = 1, width = table.input.w, left = 0, right = width;
  for (const BlockRow& row : table.blocks) {
    SharedBlock b{};
    b.stride = stride;
    b.width = width;
    b.pool = row.pool_w;
    for (const auto& convolution : row.convolutions) b.before += (convolution.kernel_w - 1) / 2;
    b.after = reach_after(row);
    b.pooled_on_line = kHopLength % (stride * b.pool) == 0;
    b.out_width = width / b.pool;
    b.out_left = std::min(ceil_div(left + b.before, b.pool), b.out_width);
    b.out_right = std::clamp((right - b.after) / b.pool, b.out_left, b.out_width);
    if (used_cells(table, blocks.size()) <= b.out_right) b.out_right = b.out_width;
    b.strip = strip_cells(b);
    blocks.push_back(b);
    if (!b.pooled_on_line) break;
    stride *= b.pool;
    width = b.out_width;
    left = b.out_left;
    right = b.out_right;
  }
  return blocks;
}

std::vector<CropGroup> group_crops(const std::vector<Crop>& crops, int64_t window, int64_t batch,
                                   int64_t limit) {
  std::vector<CropGroup> groups;
  const auto total = static_cast<int64_t>(crops.size());
  for (int64_t first = 0; first < total; first += batch) {
    CropGroup grown = groups.empty() ? CropGroup{} : groups.back();
    grown.count += std::min(batch, total - first);
    for (int64_t i = first; i < std::min(first + batch, total); ++i) cover(crops[i], window, grown);
    int64_t hops = 0;
    for (const CropSpan& span : grown.spans) hops += span.hops;
    if (!groups.empty() && hops * kHopLength <= limit) {
      groups.back() = grown;
      continue;
    }
    CropGroup fresh{first, std::min(batch, total - first), {}, {}, 0};
    for (int64_t i = first; i < first + fresh.count; ++i) cover(crops[i], window, fresh);
    groups.push_back(fresh);
  }
  for (CropGroup& group : groups) lay_out(crops, group);
  return groups;
}

}  // namespace earshot
