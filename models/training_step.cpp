#include "models/training_step.h"

#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/trace.h"

namespace earshot {
namespace {

/// Seconds since the last call, added to `bucket`.
class Laps {
 public:
  void end(double& bucket) {
    const auto now = Clock::now();
    bucket += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace

StepSeconds& StepSeconds::operator+=(const StepSeconds& other) {
  data += other.data;
  forward += other.forward;
  backward += other.backward;
  optimizer += other.optimizer;
  wait += other.wait;
  return *this;
}

nlohmann::json StepSeconds::to_json() const {
  return {{"data", data},
          {"forward", forward},
          {"backward", backward},
          {"optimizer", optimizer},
          {"wait", wait}};
}

void Repeated::run(int64_t n) {
  const auto [found, first] = recordings_.try_emplace(n);
  if (first || eager_ || trace_listener) return enqueue_(n);
  if (!found->second) found->second = backend_.record([this, n] { enqueue_(n); });
  found->second->replay();
}

TrainingStep::TrainingStep(Tagger& tagger, TaggerPass& pass, std::function<void(int64_t)> assemble,
                           const Settings& settings)
    : tagger_(tagger),
      backend_(tagger.backend()),
      pass_(pass),
      assemble_(std::move(assemble)),
      settings_(settings),
      report_(backend_.allocate(sizeof(StepReport), "the report of a step")),
      mailbox_(backend_.mailbox(report_.data(), sizeof(StepReport))),
      repeated_(
          backend_, [this](int64_t n) { enqueue(n); }, settings.eager) {
  clear();
}

void TrainingStep::clear() {
  const StepReport nothing;
  backend_.copy_to_device({report_.data(), {1, 1, 1, sizeof nothing}, DType::kU8, "report"},
                          &nothing);
}

void TrainingStep::run(int64_t t, const Batch& batch, std::span<const float> class_weights,
                       StepSeconds& seconds) {
  const OptimizerSettings& o = settings_.optimizer;
  const AdamStep adam = adam_step(t, settings_.learning_rate.at(t), o.beta1, o.beta2, o.epsilon,
                                  settings_.weight_decay);
  Laps laps;
  pass_.upload({batch.plan.view(), batch.targets, class_weights, {adam, static_cast<uint32_t>(t)}});
  laps.end(seconds.data);
  seconds_ = &seconds;
  repeated_.run(batch.size());
  mailbox_->send();
  ++pending_;
}

/// Nothing here may take a number of the step from the host: a recording would keep it.
void TrainingStep::enqueue(int64_t n) {
  Laps laps;
  Parameters& parameters = tagger_.trainable();
  auto* report = static_cast<StepReport*>(report_.data());
  assemble_(n);
  if (trace_listener) {
    if (pass_.has_wave()) trace_listener->wrote("input", TracePhase::kForward, pass_.wave(n));
    if (tagger_.has_spec()) trace_listener->wrote("input", TracePhase::kForward, pass_.mel(n));
  }
  laps.end(seconds_->data);
  backend_.copy_columns(parameters.statistics(), parameters.saved_statistics(), 0);
  try {
    const Tensor logits = pass_.forward(n, {Mode::kTrain, settings_.seed, pass_.scalars()});
    pass_.loss_of(logits);
    laps.end(seconds_->forward);
    pass_.backward(n);
    laps.end(seconds_->backward);
    const TraceRange range("adam", TracePhase::kUpdate);
    backend_.report_step(pass_.loss(n), parameters.gradients(), report);
    backend_.update({parameters.values(), parameters.gradients(), parameters.first_moments(),
                     parameters.second_moments(), parameters.statistics(),
                     parameters.saved_statistics(), pass_.scalars(), report});
  } catch (const DeviceError&) {  // the device may be gone
    throw;
  } catch (...) {  // an abandoned step has changed nothing
    backend_.copy_columns(parameters.saved_statistics(), parameters.statistics(), 0);
    throw;
  }
  laps.end(seconds_->optimizer);
}

std::optional<StepReport> TrainingStep::take_report(bool wait) {
  const void* arrived = mailbox_->receive(wait || pending_ > kMostPending);
  if (!arrived) return {};
  --pending_;
  StepReport report;
  std::memcpy(&report, arrived, sizeof report);
  return report;
}

}  // namespace earshot
