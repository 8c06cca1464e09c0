#include "models/step_profile.h"

#include <spdlog/spdlog.h>

#include <charconv>

#include "engine/error.h"
#include "engine/nvtx.h"

namespace earshot {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// A whole number from 1 that fills `text`; 0: something else.
int64_t step_number(std::string_view text) {
  int64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() ? number : 0;
}

}  // namespace

/// Hands ranges on to NVTX and adds up the host's seconds of the outermost by their phase.
class StepProfile::Listener : public TraceListener {
 public:
  void begin(const std::string& name, TracePhase phase) override {
    nvtx_push((name + (name.ends_with('.') ? "" : " ") + to_string(phase)).c_str());
    if (depth_++ > 0) return;
    outermost_ = phase;
    began_ = Clock::now();
  }
  void end() override {
    nvtx_pop();
    if (--depth_ > 0) return;
    seconds_[static_cast<size_t>(outermost_)] += seconds_between(began_, Clock::now());
  }
  double seconds(TracePhase phase) const { return seconds_[static_cast<size_t>(phase)]; }

 private:
  int depth_ = 0;
  TracePhase outermost_ = TracePhase::kForward;
  Clock::time_point began_;
  std::array<double, 3> seconds_{};
};

StepProfile::StepProfile(const std::string& steps) {
  const std::string_view text = steps;
  const size_t colon = text.find(':');
  first_ = step_number(text.substr(0, colon));
  last_ = colon == text.npos ? 0 : step_number(text.substr(colon + 1));
  if (first_ < 1 || last_ < first_)
    fail_usage("--profile-steps {}: two steps A:B with 1 <= A <= B, as 10:20", steps);
}

StepProfile::~StepProfile() {
  trace_listener = nullptr;
  if (step_ < last_)
    spdlog::warn("--profile-steps {}:{}: this call of train had {} steps", first_, last_, step_);
}

void StepProfile::begin_step(Backend& backend, const std::string& name) {
  ++step_;
  if (step_ == first_) start(backend);
  if (listener_) nvtx_push(fmt::format("{} step {}", name, step_).c_str());
}

void StepProfile::end_step(Backend& backend) {
  if (!listener_) return;
  nvtx_pop();
  if (step_ == last_) stop(backend);
}

void StepProfile::start(Backend& backend) {
  backend.synchronize();
  profiler_ = backend.start_profiler();
  listener_ = std::make_unique<Listener>();
  trace_listener = listener_.get();
  started_ = Clock::now();
}

void StepProfile::stop(Backend& backend) {
  backend.synchronize();
  const double all = seconds_between(started_, Clock::now());
  if (profiler_) backend.stop_profiler();
  trace_listener = nullptr;
  const auto ms = [&](double seconds) {
    return 1e3 * seconds / static_cast<double>(last_ - first_ + 1);
  };
  const double forward = listener_->seconds(TracePhase::kForward);
  const double backward = listener_->seconds(TracePhase::kBackward);
  const double update = listener_->seconds(TracePhase::kUpdate);
  spdlog::info(
      "steps {} to {}: {:.2f} ms each; of the host's time forward {:.2f}, backward {:.2f}, update "
      "{:.2f}, the rest {:.2f} ms{}{}",
      first_, last_, ms(all), ms(forward), ms(backward), ms(update),
      ms(all - forward - backward - update),
      profiler_ ? "" : fmt::format("; {} has no profiler to start", backend.name()),
      kHasNvtx ? "" : "; built without NVTX ranges");
  listener_.reset();
}

}  // namespace earshot
