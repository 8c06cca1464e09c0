// The fixed three-phase training of the paper (2.3, 2.5): cnn-audio, cnn-spec, then the head of
// cnn-comb over their frozen trunks, fold by fold.
#pragma once

#include <atomic>
#include <string>

#include "models/clip_source.h"
#include "models/run.h"

namespace earshot {

struct TrainRequest {
  Backend& backend;
  const Store& store;
  RunInfo info;
  RunPaths paths;
  bool resume = false;
  std::vector<ModelKind> kinds;             // in order; empty: all three
  const std::atomic<bool>* stop = nullptr;  // set: write a checkpoint and return
  bool eager = false;                       // enqueue each step anew instead of replaying it
};

enum class TrainOutcome { kFinished, kInterrupted };

/// Trains everything the request names that is not yet done. Throws Error where training cannot go
/// on (loss not finite, disk full); the last checkpoint stays.
TrainOutcome train(const TrainRequest& request);

/// Memory plan and work per step of each phase, without touching data.
std::string describe_training(Backend& backend, const Config& config, int classes);

/// Clips of the store that may train: labelled, not empty, in the training split.
std::vector<bool> trainable_clips(const StoreIndex& index, const Config& config);

}  // namespace earshot
