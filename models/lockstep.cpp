#include "models/lockstep.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "engine/error.h"
#include "models/step_recorder.h"

namespace earshot {
namespace {

double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum);
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = double(a[i]) - double(b[i]);
    sum += d * d;
  }
  return std::sqrt(sum);
}

bool finite(const RecordedStep& step) {
  return std::all_of(step.tensors.begin(), step.tensors.end(), [](const RecordedTensor& tensor) {
    return std::all_of(tensor.values.begin(), tensor.values.end(),
                       [](float v) { return std::isfinite(v); });
  });
}

/// Norms of the gradients of each layer, all its parameters together.
std::map<std::string, double> gradient_norms(const RecordedStep& step) {
  std::map<std::string, double> norms;
  for (const RecordedTensor& tensor : step.tensors)
    if (!tensor.layer.empty()) {
      double& sum = norms[tensor.layer];
      sum = std::hypot(sum, norm(tensor.values));
    }
  return norms;
}

}  // namespace

/// The phase once more, on the reference.
class Lockstep::Twin {
 public:
  Twin(Backend& reference, const ClipSource& source, const Tagger& tagger)
      : recorder_(tagger),
        source_(source),
        tagger_(reference, tagger.config(), tagger.kind(), tagger.classes(), /*trained=*/true) {
    start_from(tagger);
  }
  StepRecorder& recorder() { return recorder_; }
  int64_t compared() const { return compared_; }
  const LockstepDistance& furthest() const { return furthest_; }

  void compare(const ObservedStep& step) {
    const RecordedStep found = recorder_.take(before_);
    if (step.batch.size() == 1 || !finite(found)) return start_from(step.tagger);
    plan(step);
    StepFollower follower(tagger_, found);
    const RecordedStep expected = repeat(step, follower);
    where_ = fmt::format("lockstep: step {} of {}", step.step, to_string(tagger_.kind()));
    compare(found, expected);
    compare_winners(found, follower.others());
    start_from(step.tagger);
    ++compared_;
  }

  std::string summary() const {
    return fmt::format(
        "{}: {} steps beside {}; off by at most: outputs {:.2g} ({}), gradients {:.2g} ({}), "
        "updates {:.2g}; another cell won at most {:.2g} of a pool's windows",
        to_string(tagger_.kind()), compared_, tagger_.backend().name(), furthest_.outputs,
        furthest_output_, furthest_.gradients, furthest_gradient_, furthest_.updates,
        furthest_.winners);
  }

 private:
  /// The next step begins with the parameters of the device.
  void start_from(const Tagger& tagger) {
    Tagger::Snapshots snapshots = tagger.snapshot();
    tagger_.restore(snapshots);
    before_ = std::move(snapshots.back());
  }

  void plan(const ObservedStep& step) {
    if (pass_) return;
    pass_ = std::make_unique<TaggerPass>(tagger_, /*training=*/true, step.pass.batches(),
                                         BlockForm::kLibrary);
    memory_ = tagger_.backend().allocate(pass_->arena().bytes(), "a step in lockstep");
    pass_->bind(memory_.data());
    step_ = std::make_unique<TrainingStep>(
        tagger_, *pass_, [this](int64_t n) { source_.assemble(*pass_, tagger_, n); },
        step.settings);
  }

  RecordedStep repeat(const ObservedStep& step, StepFollower& follower) {
    const ListenWith listening(&follower);
    StepSeconds seconds;
    step_->run(step.step, step.batch, step.class_weights, seconds);
    step_->take_report(/*wait=*/true);
    return follower.take(before_);
  }

  void compare(const RecordedStep& found, const RecordedStep& expected) {
    using Kind = RecordedTensor::Kind;
    if (found.tensors.size() != expected.tensors.size())
      fail("{}: {} tensors, {} on {}", where_, found.tensors.size(), expected.tensors.size(),
           tagger_.backend().name());
    const std::map<std::string, double> norms = gradient_norms(expected);
    for (size_t i = 0; i < found.tensors.size(); ++i) {
      const RecordedTensor &f = found.tensors[i], &e = expected.tensors[i];
      if (f.what != e.what || f.values.size() != e.values.size())
        fail("{}: {} [{}], {} [{}] on {}", where_, f.what, f.values.size(), e.what, e.values.size(),
             tagger_.backend().name());
      double scale = norm(e.values);
      // A unit that is on everywhere hands its bias to a batch norm that takes it away again: the
      // bias has no gradient but rounding.
      if (!e.layer.empty()) scale = std::max(scale, kLeastShare * norms.at(e.layer));
      const double off = distance(f.values, e.values);
      const double by = off == 0 ? 0 : off / scale;
      if (e.kind == Kind::kOutput)
        hold(by, kLockstepBounds.outputs, furthest_.outputs, f.what, furthest_output_);
      else if (e.kind == Kind::kGradient)
        hold(by, kLockstepBounds.gradients, furthest_.gradients, f.what, furthest_gradient_);
      else
        hold(by, kLockstepBounds.updates, furthest_.updates, f.what, furthest_update_);
    }
  }
  void hold(double by, double bound, double& furthest, const std::string& what,
            std::string& furthest_what) const {
    if (!(by <= bound))
      fail("{}: {} is off by {:.2g} of its norm from {}'s, {:.2g} is allowed", where_, what, by,
           tagger_.backend().name(), bound);
    if (by <= furthest) return;
    furthest = by;
    furthest_what = what;
  }

  void compare_winners(const RecordedStep& found, const std::vector<int64_t>& others) {
    for (size_t i = 0; i < others.size(); ++i) {
      const auto& [name, winners] = found.pools[i];
      const double share = double(others[i]) / double(winners.size());
      if (!(share <= kLockstepBounds.winners))
        fail("{}: {} has other winners than {}'s in {:.2g} of its windows, {:.2g} is allowed",
             where_, name, tagger_.backend().name(), share, kLockstepBounds.winners);
      furthest_.winners = std::max(furthest_.winners, share);
    }
  }

  static constexpr double kLeastShare = 0.05;
  StepRecorder recorder_;  // of the device
  const ClipSource& source_;
  Tagger tagger_;
  Parameters::Snapshot before_;
  std::unique_ptr<TaggerPass> pass_;
  DeviceMemory memory_;
  std::unique_ptr<TrainingStep> step_;
  std::string where_;  // "lockstep: step 3 of cnn-audio"
  LockstepDistance furthest_;
  std::string furthest_output_ = "none", furthest_gradient_ = "none", furthest_update_ = "none";
  int64_t compared_ = 0;
};

Lockstep::Lockstep(Backend& reference, const Store& store, const Config& config, int64_t steps)
    : reference_(reference), source_(store), steps_(steps) {
  if (config.precision != Precision::kF32)
    fail_usage("lockstep compares the numbers of fp32; set precision=fp32, not {}",
               to_string(config.precision));
  source_.resize_clips(config);
  source_.place_on(reference);
}

Lockstep::~Lockstep() = default;

void Lockstep::on_start(const Tagger& tagger) {
  twin_ = std::make_unique<Twin>(reference_, source_, tagger);
}

TraceListener* Lockstep::listener() { return twin_ ? &twin_->recorder() : nullptr; }

void Lockstep::on_step(const ObservedStep& step) {
  if (!twin_) return;
  twin_->compare(step);
  if (twin_->compared() == steps_) on_end();
}

void Lockstep::on_end() {
  if (!twin_) return;
  const LockstepDistance& of = twin_->furthest();
  furthest_ = {std::max(furthest_.outputs, of.outputs), std::max(furthest_.winners, of.winners),
               std::max(furthest_.gradients, of.gradients),
               std::max(furthest_.updates, of.updates)};
  spdlog::info("{}", twin_->summary());
  twin_.reset();
}

}  // namespace earshot
