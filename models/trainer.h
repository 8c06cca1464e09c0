// The fixed three-phase training of the paper (2.3, 2.5): cnn-audio, cnn-spec, then the head of
// cnn-comb over their frozen trunks, fold by fold.
#pragma once

#include <atomic>
#include <string>

#include "engine/trace.h"
#include "models/clip_source.h"
#include "models/run.h"
#include "models/training_step.h"

namespace earshot {

/// One training step behind its update.
struct ObservedStep {
  int64_t step;  // 1, 2, ... of this phase
  const Batch& batch;
  std::span<const float> class_weights;
  const TrainingStep::Settings& settings;
  const Tagger& tagger;
  const TaggerPass& pass;  // inputs, targets and losses are good, outputs of layers no more
};
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  /// Before the first step of a phase.
  virtual void on_start(const Tagger& tagger) = 0;
  /// Who hears the next step layer by layer, instead of those who do; nullptr: none of its own.
  virtual TraceListener* listener() { return nullptr; }
  virtual void on_step(const ObservedStep& step) = 0;
  /// Behind the last step of a phase, or of the call.
  virtual void on_end() {}
};
class StepProfile;

/// When a step's loss or gradient is NaN or infinite: stop with the state before it saved, or leave
/// its batch out and say so.
enum class OnNotFinite { kStop, kSkip };

struct TrainRequest {
  Backend& backend;
  const Store& store;
  RunInfo info;
  RunPaths paths;
  bool resume = false;
  std::vector<ModelKind> kinds;  // in order; empty: all three
  /// Set: write a checkpoint and return, where the host computes before the next layer, else after
  /// the step.
  const std::atomic<bool>* stop = nullptr;
  bool eager = false;                // enqueue each step anew instead of replaying it
  StepObserver* observer = nullptr;  // sees every step of every phase
  StepProfile* profile = nullptr;    // a profiler for some steps
  OnNotFinite on_not_finite = OnNotFinite::kStop;
};

enum class TrainOutcome { kFinished, kInterrupted };

/// Trains everything the request names that is not yet done. Throws Error where training cannot go
/// on (loss not finite, disk full); the last checkpoint stays.
TrainOutcome train(const TrainRequest& request);

/// Memory plan and work per step of each phase, without touching data: parameters, arena, what the
/// library's plans take, which this call measures by making them, an estimate of the program.
std::string describe_training(Backend& backend, const Config& config, int classes);

/// Clips of the store that may train: labelled, not empty, in the training split.
std::vector<bool> trainable_clips(const StoreIndex& index, const Config& config);

}  // namespace earshot
