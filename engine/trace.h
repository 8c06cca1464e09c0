// Ranges of a step by layer and phase, for whoever listens: a profile, a trace file, NVTX. Without
// a listener a range costs one comparison.
#pragma once

#include <string>
#include <vector>

#include "engine/tensor.h"

namespace earshot {

enum class TracePhase { kForward, kBackward, kUpdate };
const char* to_string(TracePhase phase);  // "forward", "backward", "update"

/// Hears ranges as the host enqueues them, nested ones inside their outer one, on one thread.
class TraceListener {
 public:
  virtual ~TraceListener() = default;
  virtual void begin(const std::string& name, TracePhase phase) = 0;
  virtual void end() = 0;
  /// `layer` has written what the next one reads: its output, or (kBackward) the gradient of its
  /// input, without data where nobody wants it, and those of its parameters. A pool's winners (kU8)
  /// come before its output.
  virtual void wrote(const std::string& /*layer*/, TracePhase, const Tensor&) {}
};

/// Keeps the part that is at work.
class PartListener : public TraceListener {
 public:
  void begin(const std::string& name, TracePhase) override { open_.push_back(name); }
  void end() override { open_.pop_back(); }
  /// "audio.", or nothing in a single network.
  std::string part() const {
    std::string part;
    for (const std::string& name : open_)
      if (name.ends_with('.')) part += name;
    return part;
  }

 private:
  std::vector<std::string> open_;  // names of the ranges
};

/// Nobody (nullptr) or the one that hears all ranges from here on; it must outlive that.
inline TraceListener* trace_listener = nullptr;

/// Another listener for as long as it lives.
class ListenWith {
 public:
  explicit ListenWith(TraceListener* listener) : before_(trace_listener) {
    trace_listener = listener;
  }
  ~ListenWith() { trace_listener = before_; }
  ListenWith(const ListenWith&) = delete;
  ListenWith& operator=(const ListenWith&) = delete;

 private:
  TraceListener* before_;
};

class TraceRange {
 public:
  /// A name that ends in a dot is a part ("audio."): it stands before the names inside.
  TraceRange(const std::string& name, TracePhase phase) : listener_(trace_listener) {
    if (listener_) listener_->begin(name, phase);
  }
  ~TraceRange() {
    if (listener_) listener_->end();
  }
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;

 private:
  TraceListener* listener_;
};

}  // namespace earshot
