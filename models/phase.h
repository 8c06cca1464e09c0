// One phase: one network, one fold, epoch by epoch, resumable after any step bit for bit.
#pragma once

#include <limits>
#include <memory>

#include "data/shards.h"
#include "engine/console.h"
#include "models/not_finite.h"
#include "models/trainer.h"
#include "models/training_step.h"

namespace earshot {

/// Everything of a phase that is not a parameter; stored with each checkpoint.
struct PhaseState {
  int epoch = 0;                 // completed epochs
  int64_t step_in_epoch = 0;     // completed steps of the current one
  int64_t step = 0;              // Adam's t
  double epoch_loss = 0;         // sum over the examples of the current epoch so far
  int64_t skipped_examples = 0;  // of the current epoch, in batches that were left out
  /// Bytes for the clips that are on the device at a time; 0: all are. It decides who is blended
  /// with whom, so a phase keeps it.
  int64_t streamed_bytes = 0;
  double best_loss = std::numeric_limits<double>::infinity();
  int best_epoch = -1;
  bool done = false;

  Metadata to_metadata() const;
  static PhaseState from_metadata(const SafetensorsFile& file);
};

class Phase {
 public:
  Phase(const TrainRequest& request, ClipSource& source, const std::vector<int>& fold_of,
        ModelKind kind, int fold);

  /// Trains to the end, or to the next step after `stop` was set.
  TrainOutcome run(RunLog& log);

 private:
  struct Validation {
    double loss = 0, map3 = 0, accuracy = 0;
  };
  void load_start();
  TrainOutcome run_epochs(RunLog& log);
  void run_epoch(RunLog& log, Progress& progress);
  /// Puts all clips on the device or, where they do not fit, makes room to stream them.
  void place_clips();
  /// Sees to it that the clips of example `first` are on the device.
  void load_clips(const ClipSet& set, std::span<const int64_t> order,
                  const std::vector<Shard>& shards, int64_t first);
  std::vector<Shard> shards_of(const ClipSet& set, std::span<const int64_t> order) const;
  ClipSource::Parts parts() const;
  void begin_epoch();
  Batch draw(int64_t step_in_epoch);
  void run_step();
  /// Takes in what the device reports of the steps it was given: what is there, or `all`.
  void take_reports(bool all, RunLog& log, Progress& progress);
  /// None where the call was asked to stop meanwhile.
  std::optional<Validation> validate();
  void enqueue_validation(int64_t n);
  void finish_epoch(RunLog& log);
  void save_last() const;
  void save_best() const;
  bool stopping() const { return request_.stop && request_.stop->load(); }
  int64_t steps_per_epoch() const;
  LearningRate learning_rate() const;
  int64_t examples_of(int64_t step_in_epoch) const;

  // What a step that is not finite leads to (phase_faults.cpp).
  /// For step `reported_`, when its report is bad: names where it began, then stops with the state
  /// before it saved, or leaves its batch out. All that was enqueued behind it runs again.
  void handle_not_finite(int32_t bad, RunLog& log);
  void skip_step(const std::string& where, const std::vector<std::string>& clips, RunLog& log);
  /// The next step once more, layer by layer, while it cannot change anything.
  std::optional<NotFinite> replay();
  /// Names of the clips of the next step, of all its examples or of one.
  std::vector<std::string> clips_of_step(int64_t example);
  /// Throws Error instead of handing out weights that would end the run when it resumes.
  Tagger::Snapshots finite_snapshot() const;

  const TrainRequest& request_;
  const Config& config_;
  ClipSource& source_;
  ModelKind kind_;
  int fold_;
  uint64_t seed_;
  DrawSettings draw_;
  std::vector<int> labels_;
  ClipSet training_, validation_;
  std::vector<int64_t> order_, validation_order_;
  std::vector<Shard> shards_, validation_shards_;  // empty: all clips are on the device
  struct Loaded {                                  // the shard whose clips are on the device
    const ClipSet* set = nullptr;
    int epoch = -1;
    int64_t first = -1;
    bool operator==(const Loaded&) const = default;
  } loaded_;
  int order_epoch_ = -1;
  Tagger tagger_;
  std::unique_ptr<TaggerPass> train_pass_, validation_pass_;
  DeviceMemory memory_;
  std::vector<float> class_weights_;
  std::unique_ptr<TrainingStep> step_;
  std::unique_ptr<Repeated> validation_step_;
  DeviceMemory sums_;  // MetricSums
  PhaseState state_;
  int64_t reported_ = 0;  // steps whose report was taken in; state_.step counts those enqueued
  StepSeconds epoch_seconds_, interval_seconds_;
};

/// N / (classes n_c) over the clips of a fold (paper 2.5); 1 for a class without clips.
std::vector<float> class_weights(const ClipSet& set);

}  // namespace earshot
