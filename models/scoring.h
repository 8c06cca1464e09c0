// Scoring at many crops (paper 2.5): the geometric mean of the predictions over all crops of a clip
// and over all folds, that is, the mean of log-softmax, renormalised.
#pragma once

#include <string>
#include <vector>

#include "models/clip_source.h"
#include "models/metrics.h"
#include "models/run.h"

namespace earshot {

struct ScoredModel {
  ModelKind kind;
  std::vector<int> folds;  // trained ones
};

struct ScoringRequest {
  Backend& backend;
  RunPaths paths;
  RunInfo info;
  std::vector<ScoredModel> models;
  ClipSource::Zero zero = ClipSource::Zero::kNone;
  bool timeline = false;  // also every crop by itself
};

struct CropScore {
  double start = 0, end = 0;  // seconds of the clip that the crop covers
  std::vector<float> log_probabilities;
};

struct ClipScore {
  std::vector<float> log_probabilities;  // [class], mean over crops and folds, normalised
  /// With `timeline`: mean over folds. One for a clip shorter than the input, which every crop
  /// holds whole.
  std::vector<CropScore> crops;
};

/// Scores of clips `which` of the source by each model, [model][clip]. What crops, and networks of
/// one fold, have in common is computed once. Shows progress.
std::vector<std::vector<ClipScore>> score_clips(const ScoringRequest& request,
                                                const ClipSource& source,
                                                const std::vector<int64_t>& which);

}  // namespace earshot
