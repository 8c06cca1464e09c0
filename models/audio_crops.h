// The blocks of cnn-audio over many overlapping crops: what they share is computed once
// (shared_crops.h), and equals each crop's own pass within rounding.
#pragma once

#include <memory>

#include "models/clip_source.h"
#include "models/crop_tables.h"
#include "models/tagger.h"

namespace earshot {

class AudioCrops {
 public:
  /// `groups` of `crops`, of which `batch` run at once; all of them must outlive this.
  AudioCrops(Tagger& tagger, const std::vector<Crop>& crops, const std::vector<CropGroup>& groups,
             int64_t batch);

  /// What lasts from start() to the last features(): to be planned before anything that does not.
  void plan_lines(Planner& planner);
  /// Returns the shape of the features of a whole batch.
  Shape plan(Planner& planner);
  void bind(const Places& places);

  /// Computes what the crops of a group share. `zero`: as if every sample were 0.
  enum class Wave { kSamples, kZero };
  void start(const CropGroup& group, const ClipSource& source, Wave wave);
  /// Features [n, 1, w, c] of the group's crops first ... first + n - 1, in this object's memory;
  /// first is a multiple of the batch.
  Tensor features(int64_t first);

  /// Counted floating point operations over all crops.
  double flops() const;

 private:
  struct Level {  // one shared block
    SharedBlock block;
    TileShape tile;
    Network tiles, strips;
    int tile_in_id = -1, line_id = -1, strip_in_id = -1;
    Tensor tile_in, line, strip_in;
  };
  CropTables tables(const CropGroup& group) const;
  int64_t channels(size_t block) const;  // of its output
  int64_t in_channels(size_t block) const { return block == 0 ? 1 : channels(block - 1); }
  CellRuns runs(const Range& range, int64_t pool) const;
  void gather(const Range& waves, const Tensor& to);
  void assemble(const CropTables::Assembly& parts, size_t level, const Tensor& strips,
                const Tensor& to);

  Tagger& tagger_;
  const std::vector<Crop>& crops_;
  const std::vector<CropGroup>& groups_;
  int64_t batch_;
  std::vector<SharedBlock> blocks_;
  std::vector<TileShape> tiles_;
  std::vector<Level> levels_;
  Network rest_;  // from the first norm or block that is each crop's own
  int crops_in_id_ = -1, runs_id_ = -1;
  Tensor crops_in_, runs_;

  CropTables group_;  // of the group that was started
  const ClipSource* source_ = nullptr;
  Wave wave_ = Wave::kSamples;
};

}  // namespace earshot
