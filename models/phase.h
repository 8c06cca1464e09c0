// One phase: one network, one fold, epoch by epoch, resumable after any step bit for bit.
#pragma once

#include <limits>
#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "data/draw.h"
#include "engine/console.h"
#include "models/trainer.h"

namespace earshot {

/// Everything of a phase that is not a parameter; stored with each checkpoint.
struct PhaseState {
  int epoch = 0;              // completed epochs
  int64_t step_in_epoch = 0;  // completed steps of the current one
  int64_t step = 0;           // Adam's t
  double epoch_loss = 0;      // sum over the examples of the current epoch so far
  double best_loss = std::numeric_limits<double>::infinity();
  int best_epoch = -1;
  bool done = false;

  Metadata to_metadata() const;
  static PhaseState from_metadata(const SafetensorsFile& file);
};

/// Seconds of a step by what they went into.
struct StepSeconds {
  double data = 0, forward = 0, backward = 0, optimizer = 0, wait = 0;
  StepSeconds& operator+=(const StepSeconds& other);
  nlohmann::json to_json() const;
};

class Phase {
 public:
  Phase(const TrainRequest& request, const ClipSource& source, const std::vector<int>& fold_of,
        ModelKind kind, int fold);

  /// Trains to the end, or to the next step after `stop` was set.
  TrainOutcome run(RunLog& log);

 private:
  struct Validation {
    double loss = 0, map3 = 0, accuracy = 0;
  };
  void load_start();
  void run_epoch(RunLog& log, Progress& progress);
  double run_step(int64_t step_in_epoch, StepSeconds& seconds);
  Validation validate();
  void finish_epoch(RunLog& log, const StepSeconds& seconds);
  void save_last() const;
  void save_best() const;
  bool stopping() const { return request_.stop && request_.stop->load(); }
  int64_t steps_per_epoch() const;
  [[noreturn]] void fail_not_finite(const char* what, const Batch& batch) const;

  const TrainRequest& request_;
  const Config& config_;
  const ClipSource& source_;
  ModelKind kind_;
  int fold_;
  uint64_t seed_;
  DrawSettings draw_;
  std::vector<int> labels_;
  ClipSet training_, validation_;
  std::vector<int64_t> order_, validation_order_;
  int order_epoch_ = -1;
  Tagger tagger_;
  std::unique_ptr<TaggerPass> train_pass_, validation_pass_;
  DeviceMemory memory_;
  std::vector<float> class_weights_;
  PhaseState state_;
};

/// N / (classes n_c) over the clips of a fold (paper 2.5); 1 for a class without clips.
std::vector<float> class_weights(const ClipSet& set);

}  // namespace earshot
