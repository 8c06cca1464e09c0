// What a training step wrote, tensor by tensor, on the host.
#pragma once

#include <string>
#include <vector>

#include "engine/trace.h"
#include "models/tagger.h"

namespace earshot {

struct RecordedTensor {
  enum class Kind { kOutput, kGradient, kUpdate };
  Kind kind;
  std::string what;  // "block1.norm.y of layer audio.block1.norm"
  std::vector<float> values;
  std::string layer = {};  // of a parameter's gradient
};

struct RecordedStep {
  std::vector<RecordedTensor> tensors;  // in the order of the step
  struct Pool {
    std::string name;
    std::vector<uint8_t> winners;  // a cell for each window
  };
  std::vector<Pool> pools;  // likewise
};

/// Hears a step and keeps all tensors that it writes; waits for the device after each.
class StepRecorder : public PartListener {
 public:
  explicit StepRecorder(const Tagger& tagger) : tagger_(tagger) {}
  void wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) override;
  /// Ends the step, which began with the parameters `before`: adds the parameters' gradients, the
  /// statistics and by how much the parameters have changed.
  RecordedStep take(const Parameters::Snapshot& before);

 protected:
  virtual void on_winners(const Tensor& tensor);
  std::vector<uint8_t> winners_of(const Tensor& tensor) const;
  const Tagger& tagger_;

 private:
  void keep(RecordedTensor::Kind kind, std::string what, const Tensor& tensor);
  RecordedStep step_;
};

/// Hears a step that repeats another one, and lets each layer go on with what that one's wrote:
/// then no difference grows from layer to layer. So it is with winners too: of two cells that are
/// equal but for rounding either may win.
class StepFollower : public StepRecorder {
 public:
  StepFollower(const Tagger& tagger, const RecordedStep& followed)
      : StepRecorder(tagger), followed_(followed) {}
  void wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) override;
  /// Windows that another cell had won, for each pool.
  const std::vector<int64_t>& others() const { return others_; }

 protected:
  void on_winners(const Tensor& tensor) override;

 private:
  const RecordedStep& followed_;
  size_t tensors_ = 0;
  std::vector<int64_t> others_;
};

}  // namespace earshot
