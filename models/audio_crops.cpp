#include "models/audio_crops.h"

#include <algorithm>

namespace earshot {
namespace {

/// Floats of one convolution's output in a pass over tiles, for each crop of a batch: about a
/// fortieth of what the crop by itself would take.
constexpr int64_t kPassFloats = 65536;

constexpr StepInfo kInference{Mode::kInference, 0, 0};

double flops_of(const Network& network, int64_t n) {
  double sum = 0;
  for (const auto& layer : network.layers())
    for (const LayerWork& part : layer->work(n)) sum += part.forward.flops;
  return sum;
}

}  // namespace

AudioCrops::AudioCrops(Tagger& tagger, const std::vector<Crop>& crops,
                       const std::vector<CropGroup>& groups, int64_t batch)
    : tagger_(tagger), crops_(crops), groups_(groups), batch_(batch) {
  const NetworkTable table = tagger.table(ModelKind::kAudio);
  blocks_ = shared_blocks(table);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const int64_t channels = table.blocks[i].convolutions.back().channels;
    tiles_.push_back(tile_shape(blocks_[i], groups, batch * kPassFloats / channels));
    Level& level = levels_.emplace_back();
    level.block = blocks_[i];
    level.tile = tiles_[i];
    BlockRow row = table.blocks[i];
    level.strips.add(tagger.block(ModelKind::kAudio, i, row));
    row.pool_w = level.tile.pool;
    level.tiles.add(tagger.block(ModelKind::kAudio, i, row));
    if (!blocks_[i].pooled_on_line) continue;
    level.strips.add(tagger.block_norm(ModelKind::kAudio, i));
    level.tiles.add(tagger.block_norm(ModelKind::kAudio, i));
  }
  // A maximum and an affine map may not change places: the norm follows the crop's own pool.
  if (!blocks_.back().pooled_on_line)
    rest_.add(tagger.block_norm(ModelKind::kAudio, blocks_.size() - 1));
  for (size_t i = blocks_.size(); i < table.blocks.size(); ++i) {
    rest_.add(tagger.block(ModelKind::kAudio, i, table.blocks[i]));
    rest_.add(tagger.block_norm(ModelKind::kAudio, i));
  }
}

CropTables AudioCrops::tables(const CropGroup& group) const {
  return crop_tables(blocks_, tiles_, group, crops_, batch_);
}

int64_t AudioCrops::channels(size_t block) const {
  return tagger_.table(ModelKind::kAudio).blocks[block].convolutions.back().channels;
}

void AudioCrops::plan_lines(Planner& planner) {
  int64_t hops = 0, runs = 0;
  for (const CropGroup& group : groups_) {
    hops = std::max(hops, group.hops);
    runs = std::max(runs, static_cast<int64_t>(tables(group).runs.size()));
  }
  runs_id_ = planner.lasting("crop_runs", {1, 1, runs, 3}, DType::kI32);
  for (size_t i = 0; i < levels_.size(); ++i)
    levels_[i].line_id = planner.lasting(fmt::format("line{}", i + 1),
                                         {1, 1, hops * blocks_[i].line_cells(), channels(i)},
                                         tagger_.backend().activation_type());
}

Shape AudioCrops::plan(Planner& planner) {
  const DType stored = tagger_.backend().activation_type();  // of all but the wave
  std::vector<int64_t> sizes;
  for (const CropGroup& group : groups_) {
    sizes.push_back(std::min(batch_, group.count));
    if (group.count > batch_ && group.count % batch_ != 0) sizes.push_back(group.count % batch_);
  }
  for (size_t i = 0; i < levels_.size(); ++i) {
    Level& level = levels_[i];
    planner.set_batches(level.tile.passes);
    planner.advance();
    const Shape in{planner.max_batch(), 1, level.tile.in, in_channels(i)};
    level.tile_in_id =
        planner.output(fmt::format("tiles{}", i + 1), in, i == 0 ? DType::kF32 : stored);
    level.tiles.plan(planner, in);
    planner.advance();  // for the copy into the line
  }
  for (size_t i = 0; i < levels_.size(); ++i) {
    Level& level = levels_[i];
    std::vector<int64_t> strips = sizes;
    for (int64_t& n : strips) n = strip_count(level.block, n);
    planner.set_batches(strips);
    planner.advance();
    const Shape in{planner.max_batch(), 1, level.block.strip, in_channels(i)};
    level.strip_in_id =
        planner.output(fmt::format("strips{}", i + 1), in, i == 0 ? DType::kF32 : stored);
    level.strips.plan(planner, in);
  }
  planner.set_batches(sizes);
  planner.advance();
  const Shape crops{planner.max_batch(), 1, blocks_.back().out_width, channels(levels_.size() - 1)};
  crops_in_id_ = planner.output("crops", crops, stored);
  return rest_.plan(planner, crops);
}

void AudioCrops::bind(const Places& places) {
  for (Level& level : levels_) {
    level.tile_in = places(level.tile_in_id);
    level.line = places(level.line_id);
    level.strip_in = places(level.strip_in_id);
    level.tiles.bind(places);
    level.strips.bind(places);
  }
  crops_in_ = places(crops_in_id_);
  runs_ = places(runs_id_);
  rest_.bind(places);
}

CellRuns AudioCrops::runs(const Range& range, int64_t pool) const {
  return {static_cast<const CellRun*>(runs_.data) + range.first, range.count, pool};
}

void AudioCrops::gather(const Range& waves, const Tensor& to) {
  if (wave_ == Wave::kZero) return;
  GatherPlan plan;
  for (int64_t i = waves.first; i < waves.first + waves.count; ++i) {
    plan.placements.push_back(group_.waves.placements[i]);
    plan.first_placement.push_back(static_cast<int32_t>(i - waves.first));
  }
  plan.first_placement.push_back(static_cast<int32_t>(waves.count));
  plan.positions = group_.waves.positions;
  Backend& backend = tagger_.backend();
  source_->gather_wave(backend, source_->upload(backend, plan), to.first(waves.count));
}

void AudioCrops::start(const CropGroup& group, const ClipSource& source, Wave wave) {
  Backend& backend = tagger_.backend();
  source_ = &source;
  wave_ = wave;
  group_ = tables(group);
  Tensor used = runs_;
  used.shape.w = static_cast<int64_t>(group_.runs.size());
  backend.copy_to_device(used, group_.runs.data());
  for (size_t i = 0; i < levels_.size(); ++i)
    for (const CropTables::TilePass& pass : group_.lines[i]) {
      const Tensor x = levels_[i].tile_in.first(pass.tiles);
      backend.zero(x);  // idle tiles, and what lies beside a span
      if (i == 0)
        gather(pass.waves, x);
      else
        backend.copy_cells(runs(pass.in, 1), levels_[i - 1].line, x);
      backend.copy_cells(runs(pass.out, 1), levels_[i].tiles.forward(x, kInference),
                         levels_[i].line);
    }
}

void AudioCrops::assemble(const CropTables::Assembly& parts, size_t level, const Tensor& strips,
                          const Tensor& to) {
  Backend& backend = tagger_.backend();
  const SharedBlock& b = blocks_[level];
  backend.copy_cells(runs(parts.line, b.pooled_on_line ? 1 : b.pool), levels_[level].line, to);
  backend.copy_cells(runs(parts.strips, 1), strips, to);
}

Tensor AudioCrops::features(int64_t first) {
  const CropTables::Batch& batch = group_.batches.at(static_cast<size_t>(first / batch_));
  Tensor strips;
  for (size_t i = 0; i < levels_.size(); ++i) {
    const Tensor x = levels_[i].strip_in.first(strip_count(blocks_[i], batch.count));
    if (i > 0) {
      assemble(batch.strips[i - 1], i - 1, strips, x);
    } else {
      tagger_.backend().zero(x);
      gather(batch.waves, x);
    }
    strips = levels_[i].strips.forward(x, kInference);
  }
  const Tensor x = crops_in_.first(batch.count);
  assemble(batch.crops, levels_.size() - 1, strips, x);
  return rest_.forward(x, kInference);
}

double AudioCrops::flops() const {
  double sum = 0;
  for (const CropGroup& group : groups_) {
    const CropTables t = tables(group);
    for (size_t i = 0; i < levels_.size(); ++i)
      for (const CropTables::TilePass& pass : t.lines[i])
        sum += flops_of(levels_[i].tiles, pass.tiles);
    for (const CropTables::Batch& batch : t.batches) {
      for (const Level& level : levels_)
        sum += flops_of(level.strips, strip_count(level.block, batch.count));
      sum += flops_of(rest_, batch.count);
    }
  }
  return sum;
}

}  // namespace earshot
