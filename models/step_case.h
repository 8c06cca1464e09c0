// A training step of one network on random inputs, away from any data: what benchmarks and
// profiles repeat.
#pragma once

#include "models/tagger.h"

namespace earshot {

class StepCase {
 public:
  /// Draws weights, inputs and targets; the same on every device.
  StepCase(Backend& backend, const Config& config, ModelKind kind, int64_t batch);

  /// Forward, loss, backward, the checks for finite numbers, Adam; waits for the device.
  void run();
  /// Summed loss of the batch in the last step.
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
  Backend& backend_;
  Config config_;
  int64_t batch_;
  Tagger tagger_;
  TaggerPass pass_;
  DeviceMemory memory_;
  uint32_t step_ = 0;
  double loss_ = 0;
};

}  // namespace earshot
