// A training step of one network on random inputs, away from any data: what benchmarks and
// profiles repeat.
#pragma once

#include "models/training_step.h"

namespace earshot {

class StepCase {
 public:
  /// Draws weights, inputs and targets; the same on every device.
  StepCase(Backend& backend, const Config& config, ModelKind kind, int64_t batch);
  StepCase(const StepCase&) = delete;
  StepCase& operator=(const StepCase&) = delete;

  /// Enqueues a step as training does: upload, forward, loss, backward, the checks for finite
  /// numbers, Adam. Throws Error when it learns that a step was not finite.
  void enqueue();
  /// A step, and waits for it.
  void run();
  /// Summed loss of the batch in the last step whose report is there.
  double loss() const { return loss_; }
  int64_t steps() const { return step_; }

  /// The parts of a step without its update. The logits are good until backward().
  Tensor forward();
  void backward() { pass_.backward(batch_); }

  const Tagger& tagger() const { return tagger_; }
  Backend& backend() const { return backend_; }
  TaggerPass& pass() { return pass_; }
  int64_t batch() const { return batch_; }
  /// Device memory of the step: parameters, gradients, moments and the arena.
  int64_t bytes() const { return memory_.bytes() + tagger_.trainable().bytes(); }

 private:
  void upload();
  void take(const StepReport& report);

  Backend& backend_;
  Config config_;
  int64_t batch_;
  Tagger tagger_;
  TaggerPass pass_;
  DeviceMemory memory_;
  Batch data_;
  std::vector<float> class_weights_;
  TrainingStep training_step_;
  int64_t step_ = 0;
  double loss_ = 0;
};

}  // namespace earshot
