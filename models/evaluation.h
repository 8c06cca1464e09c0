// Scores a run on the test clips of a store and gathers what the report shows.
#pragma once

#include <string>
#include <vector>

#include "models/report.h"
#include "models/scoring.h"

namespace earshot {

struct EvaluationRequest {
  Backend& backend;
  const Store& store;
  RunPaths paths;
  RunInfo info;
  std::vector<ModelKind> kinds;  // empty: every kind that has a trained fold
  std::vector<int> folds;        // empty: all that are trained
  Split split = Split::kTest;
  ClipSource::Zero zero = ClipSource::Zero::kNone;
};

/// Throws Error where the store does not fit the run: other feature settings or unknown classes,
/// no clips in the split, nothing trained.
Report evaluate(const EvaluationRequest& request);

/// One sentence on what a config scales down from the paper's recipe; empty where it does not.
std::string scaled_down(const Config& config);

}  // namespace earshot
