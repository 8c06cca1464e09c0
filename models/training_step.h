// One training step as work of the device alone: a batch goes in by one copy, a report comes back
// when it is there, and the host waits for neither. From its second time on, the step of a batch
// size is a recording that is replayed with other data.
#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "data/draw.h"
#include "models/learning_rate.h"
#include "models/tagger.h"

namespace earshot {

/// Seconds of the host by what they went into. On a GPU, where the host only enqueues, `wait` holds
/// the device's work.
struct StepSeconds {
  double data = 0, forward = 0, backward = 0, optimizer = 0, wait = 0;
  StepSeconds& operator+=(const StepSeconds& other);
  nlohmann::json to_json() const;
};

/// Work on a pass that runs for several batch sizes again and again: the first time as it is,
/// because libraries make their plans then, later as a recording. Who listens (engine/trace.h)
/// hears it as it is every time.
class Repeated {
 public:
  /// `enqueue` gets the number of examples. `eager`: never record.
  Repeated(Backend& backend, std::function<void(int64_t)> enqueue, bool eager)
      : backend_(backend), enqueue_(std::move(enqueue)), eager_(eager) {}
  void run(int64_t n);

 private:
  Backend& backend_;
  std::function<void(int64_t)> enqueue_;
  bool eager_;
  std::map<int64_t, std::unique_ptr<RecordedWork>> recordings_;  // null: ran once
};

class TrainingStep {
 public:
  struct Settings {
    uint64_t seed;  // of dropout
    LearningRate learning_rate;
    double weight_decay;
    OptimizerSettings optimizer;
    bool eager = false;
  };
  /// `assemble` enqueues what makes the pass's inputs of n examples from the plan on the device.
  /// Tagger and pass must outlive the step.
  TrainingStep(Tagger& tagger, TaggerPass& pass, std::function<void(int64_t n)> assemble,
               const Settings& settings);

  /// Enqueues step `t` (Adam's, from 1) on a batch that was drawn. What a trace listener throws
  /// comes through; parameters and statistics are then those of before.
  void run(int64_t t, const Batch& batch, std::span<const float> class_weights,
           StepSeconds& seconds);

  /// The oldest report that was not taken yet. None where it is still under way, unless `wait` is
  /// set or the device is more than two steps behind.
  std::optional<StepReport> take_report(bool wait);

  const Settings& settings() const { return settings_; }
  /// After a bad step, once all reports are taken: the next step trains again.
  void clear();

 private:
  static constexpr int64_t kMostPending = 2;
  static_assert(kMostPending < Mailbox::kCapacity);
  void enqueue(int64_t n);

  Tagger& tagger_;
  Backend& backend_;
  TaggerPass& pass_;
  std::function<void(int64_t)> assemble_;
  Settings settings_;
  DeviceMemory report_;
  std::unique_ptr<Mailbox> mailbox_;
  Repeated repeated_;
  StepSeconds* seconds_ = nullptr;  // of the step that is being enqueued
  int64_t pending_ = 0;
};

}  // namespace earshot
