// Which pieces of which clips make an example: the random draws of augmentation (paper 2.4), the
// centred view for validation, and the crops of scoring (paper 2.5). Everything is in samples;
// nothing here touches audio.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/gather.h"
#include "kernels/philox.h"

namespace earshot {

/// More copies than this never appear, however short the clip (64 copies fill 3 s with 47 ms).
constexpr int64_t kMaxCopies = 64;

struct DrawSettings {
  int64_t window = 0;   // samples of the network's input
  int64_t grid = 1;     // offsets are multiples of this; 256 wherever a spectrogram takes part
  bool augment = true;  // false: the centred clip alone, as validation sees it
  bool shift = true;
  bool replicate = true;
  int mix_clips = 2;
  double mix_alpha = 1.0;
  double mix_probability = 1.0;
  double gain_db = 0;          // each clip is made louder or softer by up to this, uniform in dB
  double label_smoothing = 0;  // s: targets become (1 - s) target + s / classes
};

/// Roll uniform in [0, length); a longer clip is cropped at a uniform start; a shorter one appears
/// k times, k uniform in 1 ... floor(window / length), the slack split by k sorted uniform cuts.
void draw_placement(const DrawSettings& settings, int64_t clip, int64_t length, float weight,
                    Random& random, GatherPlan& plan);

/// The middle of a longer clip, or a shorter one in the middle of the padding.
void centre_placement(const DrawSettings& settings, int64_t clip, int64_t length, GatherPlan& plan);

/// One clip placed once, starting at `position` of the window (negative: a crop).
void fixed_placement(int64_t clip, int64_t position, GatherPlan& plan);

/// Weights of a Dirichlet(alpha, ..., alpha) draw; they sum to 1.
std::vector<float> draw_weights(int count, double alpha, Random& random);

/// Closes the example whose placements were just added.
void end_example(GatherPlan& plan);

/// One batch: a plan and its targets.
struct Batch {
  GatherPlan plan;
  std::vector<float> targets;  // [n, classes]
  int64_t size() const { return plan.examples(); }
};

/// The clips of a fold that one network trains on, or is validated on.
struct ClipSet {
  std::vector<int64_t> clips;        // indices into the store
  std::span<const int64_t> lengths;  // samples, of every clip of the store
  std::span<const int> labels;       // of every clip of the store
  int classes = 0;
};

/// Order of an epoch: a Fisher-Yates shuffle of 0 ... count - 1, Philox stream (seed, shuffle,
/// epoch).
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, uint32_t epoch);

/// Examples [first, last) of an epoch. Example i draws from the stream (seed, augment, epoch, i)
/// alone, so any batch can be made again. The first clip of an example comes from `order`, its
/// partners are uniform over `partners`, like `order` positions in the set; empty: over the fold.
Batch draw_batch(const DrawSettings& settings, const ClipSet& clips, std::span<const int64_t> order,
                 int64_t first, int64_t last, uint64_t seed, uint32_t epoch,
                 std::span<const int64_t> partners = {});

/// Positions in the window at which a clip is scored. Longer clips: -0, -step, ... while the crop
/// fits; shorter clips: 0, step, ... while the clip fits. `align_end` adds one flush with the end
/// (rounded down to whole 256 samples) where the grid misses it.
std::vector<int64_t> scoring_positions(int64_t length, int64_t window, int64_t step,
                                       bool align_end);

}  // namespace earshot
