// Training beside itself on another backend: every step runs once more there, from the same
// parameters and on the same draws, and is compared tensor by tensor. Each layer there takes what
// the layer before it wrote here, so that a difference is of the layer that made it.
#pragma once

#include <memory>

#include "models/trainer.h"

namespace earshot {

/// How far a step was off. Tensors: the Euclidean norm of the difference over that of the
/// reference.
struct LockstepDistance {
  double outputs = 0;    // of layers; inputs, losses and batch statistics among them
  double winners = 0;    // share of a pool's windows that another cell won
  double gradients = 0;  // of layers' inputs and of parameters
  double updates = 0;    // of all parameters at once
};
/// What rounding explains. Where a clip is silent all cells of a window are equal but for it, and
/// Adam takes a whole step for a gradient near 0. A device that takes the wrong winner in fewer
/// windows than this is not seen.
inline constexpr LockstepDistance kLockstepBounds{3e-5, 0.5, 0.02, 0.1};

class Lockstep : public StepObserver {
 public:
  /// Compares the first `steps` that this call takes of every phase with `reference`, which
  /// composes its blocks of the library's dense convolutions. Reference and store must outlive
  /// this. Throws UsageError where the config's precision is not fp32.
  Lockstep(Backend& reference, const Store& store, const Config& config, int64_t steps);
  ~Lockstep() override;

  void on_start(const Tagger& tagger) override;
  TraceListener* listener() override;
  /// Throws Error naming step, tensor and layer: the first in the order of the step that is further
  /// off than its bound. Leaves out steps that are not finite, which end the training anyhow, and
  /// batches of one example, of whose batch norm nothing is left but rounding.
  void on_step(const ObservedStep& step) override;
  /// Logs how far the phase was off, and where.
  void on_end() override;

  /// The furthest of all phases so far.
  const LockstepDistance& furthest() const { return furthest_; }

 private:
  class Twin;
  Backend& reference_;
  ClipSource source_;
  int64_t steps_;
  LockstepDistance furthest_;
  std::unique_ptr<Twin> twin_;  // of the phase, while it is compared
};

}  // namespace earshot
