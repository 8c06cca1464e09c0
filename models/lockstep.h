// Training beside itself on another backend: every step runs once more there, from the same
// parameters and on the same draws, and is compared tensor by tensor.
#pragma once

#include <memory>

#include "models/trainer.h"

namespace earshot {

/// How far a tensor may be off: the Euclidean norm of its difference over that of the reference.
inline constexpr double kLockstepOutputs = 1e-4;  // of layers; inputs, losses, batch statistics
// Gradients of layers' inputs and of their parameters: a unit that rounding puts on the other side
// of a ReLU moves those of a dense layer by percents.
inline constexpr double kLockstepGradients = 0.2;
inline constexpr double kLockstepUpdates = 0.2;   // Adam takes a whole step for a gradient near 0
inline constexpr double kLockstepWinners = 0.05;  // share of a pool's windows won by another cell

class Lockstep : public StepObserver {
 public:
  /// Compares the first `steps` of every phase with `reference`, which composes its blocks of the
  /// library's dense convolutions and goes on with the pools' winners of the device: of two cells
  /// that are equal but for rounding either may win. Reference and store must outlive this.
  /// Throws UsageError where the config's precision is not fp32.
  Lockstep(Backend& reference, const Store& store, const Config& config, int64_t steps);
  ~Lockstep() override;

  void on_start(const Tagger& tagger) override;
  TraceListener* listener() override;
  /// Throws Error naming step, tensor and layer: the first in the order of the step that is further
  /// off than its bound. Behind the last step of a phase that is compared, the furthest are logged.
  void on_step(const ObservedStep& step) override;

 private:
  class Twin;
  void finish();
  Backend& reference_;
  ClipSource source_;
  int64_t steps_;
  std::unique_ptr<Twin> twin_;  // of the phase, while it is compared
};

}  // namespace earshot
