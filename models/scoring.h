// Scoring at many crops (paper 2.5): the geometric mean of the predictions over all crops of a clip
// and over all folds, that is, the mean of log-softmax, renormalised.
#pragma once

#include <string>
#include <vector>

#include "models/clip_source.h"
#include "models/metrics.h"
#include "models/run.h"

namespace earshot {

struct ScoringRequest {
  Backend& backend;
  RunPaths paths;
  RunInfo info;
  ModelKind kind;
  std::vector<int> folds;
  ClipSource::Zero zero = ClipSource::Zero::kNone;
};

/// Log-probabilities of clips `which` of the source, [clip][class], mean over crops and folds,
/// normalised. Shows progress.
std::vector<std::vector<float>> score_clips(const ScoringRequest& request, const ClipSource& source,
                                            const std::vector<int64_t>& which);

/// The same for every crop of one clip: times in seconds of the crop's start (negative or positive
/// padding counts as 0) and its log-probabilities, mean over folds.
struct CropScore {
  double start = 0, end = 0;  // seconds of the clip that the crop covers
  std::vector<float> log_probabilities;
};
std::vector<CropScore> score_crops(const ScoringRequest& request, const ClipSource& source,
                                   int64_t clip);

}  // namespace earshot
