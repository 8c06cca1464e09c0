// `train --profile-steps A:B`: a profiler watches exactly these steps, with a range for each of
// them and, inside, for each part, layer and direction (engine/trace.h).
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <string>

#include "engine/backend.h"
#include "engine/trace.h"

namespace earshot {

class StepProfile {
 public:
  /// Steps "A:B" of this call of train, from 1, both included. Throws UsageError for anything else.
  explicit StepProfile(const std::string& steps);
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  /// Around every step of every phase; `name` is the phase's.
  void begin_step(Backend& backend, const std::string& name);
  void end_step(Backend& backend);

 private:
  class Listener;
  void start(Backend& backend);
  void stop(Backend& backend);

  int64_t first_, last_, step_ = 0;  // the steps that began so far
  bool profiler_ = false;            // one was there to be started
  std::unique_ptr<Listener> listener_;
  std::chrono::steady_clock::time_point started_;
};

}  // namespace earshot
