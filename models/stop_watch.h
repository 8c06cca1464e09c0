// Leaves a pass that is under way when the call is to stop.
#pragma once

#include <atomic>
#include <string>

#include "engine/trace.h"
#include "models/trainer.h"

namespace earshot {

/// Thrown out of a pass when the call is to stop. What the pass would have changed is unchanged.
struct Abandoned {};

/// Where the host computes, a pass may take longer than a stop may: asks between two layers. Who
/// listened before still does.
class StopWatch : public TraceListener {
 public:
  explicit StopWatch(const TrainRequest& request)
      : stop_(request.stop),
        before_(trace_listener),
        listening_(stop_ && !request.backend.has_own_memory() ? this : before_) {}
  void begin(const std::string& name, TracePhase phase) override {
    if (stop_->load()) throw Abandoned{};
    if (before_) before_->begin(name, phase);
  }
  void end() override {
    if (before_) before_->end();
  }
  void wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) override {
    if (before_) before_->wrote(layer, phase, tensor);
  }

 private:
  const std::atomic<bool>* stop_;
  TraceListener* before_;
  ListenWith listening_;
};

}  // namespace earshot
