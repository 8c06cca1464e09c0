#include "models/lockstep.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "kernels/bf16.h"

namespace earshot {
namespace lockstep {

enum Kind { kOutput, kGradient, kUpdate, kKinds };

/// A tensor on the host.
struct Seen {
  Kind kind;
  std::string what;  // "block1.y of layer audio.block1"
  std::vector<float> values;
};

struct Step {
  std::vector<Seen> seen;                     // in order
  std::vector<std::vector<uint8_t>> winners;  // of each pool, a cell for each window
};

std::vector<float> on_host(Backend& backend, const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.count()));
  if (tensor.type == DType::kBf16) {
    std::vector<Bf16> narrow(values.size());
    backend.copy_to_host(narrow.data(), tensor);
    convert(tensor.shape.count(), narrow.data(), values.data());
  } else {
    backend.copy_to_host(values.data(), tensor);
  }
  return values;
}

/// Keeps what the layers of a step write, then gradients and parameters.
class Recorder : public PartListener {
 public:
  explicit Recorder(const Tagger& tagger) : tagger_(tagger) {}
  void wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) override {
    if (!tensor.data) return;
    if (tensor.type == DType::kU8) return on_winners(tensor);
    keep(phase == TracePhase::kForward ? kOutput : kGradient,
         fmt::format("{} of layer {}{}", tensor.name, part(), layer), tensor);
  }
  /// Ends the step, which began with the parameters `before`.
  Step take(const Parameters::Snapshot& before) {
    const Parameters& parameters = tagger_.trainable();
    const auto& entries = parameters.entries();
    // Weights and bias of a layer as one: before a batch norm a bias has no gradient but rounding.
    std::string last;
    for (int i = static_cast<int>(entries.size()); i-- > 0;) {  // the last layer's come first
      if (entries[i].kind != Parameters::Kind::kTrainable) continue;
      const std::string layer = entries[i].name.substr(0, entries[i].name.rfind('.'));
      if (layer != std::exchange(last, layer))
        keep(kGradient, "gradient of layer " + layer, parameters.gradient(i));
      else
        join(on_host(tagger_.backend(), parameters.gradient(i)));
    }
    for (int i = 0; i < static_cast<int>(entries.size()); ++i)
      if (entries[i].kind == Parameters::Kind::kStatistic)
        keep(kOutput, entries[i].name, parameters.value(i));
    keep(kUpdate, "update of all parameters", parameters.values());
    std::vector<float>& update = step_.seen.back().values;
    for (size_t i = 0; i < update.size(); ++i) update[i] -= before.values[i];
    return std::exchange(step_, {});
  }

 protected:
  virtual void on_winners(const Tensor& tensor) { step_.winners.push_back(cells(tensor)); }
  std::vector<uint8_t> cells(const Tensor& tensor) const {
    std::vector<uint8_t> cells(static_cast<size_t>(tensor.shape.count()));
    tagger_.backend().copy_to_host(cells.data(), tensor);
    return cells;
  }
  const Tagger& tagger_;

 private:
  void keep(Kind kind, std::string what, const Tensor& tensor) {
    step_.seen.push_back({kind, std::move(what), on_host(tagger_.backend(), tensor)});
  }
  void join(const std::vector<float>& values) {
    std::vector<float>& last = step_.seen.back().values;
    last.insert(last.end(), values.begin(), values.end());
  }
  Step step_;
};

/// Goes on with the winners of the step that it follows: of two cells that are equal but for
/// rounding either may win, and the gradients below are others then.
class Follower : public Recorder {
 public:
  Follower(const Tagger& tagger, const Step& followed) : Recorder(tagger), followed_(followed) {}
  int64_t windows = 0, others = 0;  // of all pools, and those that another cell won

 protected:
  void on_winners(const Tensor& tensor) override {
    std::vector<uint8_t> mine = cells(tensor);
    if (pool_ == followed_.winners.size() || followed_.winners[pool_].size() != mine.size())
      fail("lockstep: {} has other windows", tensor.name);
    const std::vector<uint8_t>& theirs = followed_.winners[pool_++];
    const uint8_t last = *std::max_element(mine.begin(), mine.end());  // no cell lies behind it
    const int64_t before = others;
    for (size_t i = 0; i < mine.size(); ++i) {
      if (mine[i] == theirs[i]) continue;
      ++others;
      if (theirs[i] <= last) mine[i] = theirs[i];
    }
    windows += std::ssize(mine);
    if (const double share = double(others - before) / double(mine.size());
        !(share <= kLockstepWinners))
      fail("lockstep: {:.2g} of the windows of {} were won by another cell, {:.2g} are allowed",
           share, tensor.name, kLockstepWinners);
    tagger_.backend().copy_to_device(tensor, mine.data());
  }

 private:
  const Step& followed_;
  size_t pool_ = 0;
};

double off(const std::vector<float>& found, const std::vector<float>& expected) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double e = expected[i], d = found[i] - e;
    difference += d * d;
    norm += e * e;
  }
  return difference == 0 ? 0 : std::sqrt(difference / norm);
}

/// EARSHOT_BLOCKS, which passes are planned by, for the life of this.
class LibraryBlocks {
 public:
  LibraryBlocks() {
    if (const char* before = std::getenv(kName)) before_ = before;
    setenv(kName, "library", 1);
  }
  ~LibraryBlocks() {
    if (before_)
      setenv(kName, before_->c_str(), 1);
    else
      unsetenv(kName);
  }
  LibraryBlocks(const LibraryBlocks&) = delete;
  LibraryBlocks& operator=(const LibraryBlocks&) = delete;

 private:
  static constexpr const char* kName = "EARSHOT_BLOCKS";
  std::optional<std::string> before_;
};

struct Furthest {
  double off = 0;
  std::string what = "none";
};

}  // namespace lockstep

using namespace lockstep;

/// The phase once more, on the reference.
class Lockstep::Twin {
 public:
  Twin(Backend& reference, const ClipSource& source, const Tagger& tagger)
      : recorder_(tagger),
        source_(source),
        tagger_(reference, tagger.config(), tagger.kind(), tagger.classes(), /*trained=*/true) {
    start_from(tagger);
  }
  Recorder& recorder() { return recorder_; }
  int64_t compared() const { return compared_; }
  std::string summary() const {
    const auto furthest = [&](Kind kind) {
      return fmt::format("{:.2g} ({})", furthest_[kind].off, furthest_[kind].what);
    };
    return fmt::format(
        "{}: {} steps beside {}; off by at most: outputs {}, gradients {}, updates {}; {:.2g} of "
        "the pools' windows were won by another cell",
        to_string(tagger_.kind()), compared_, tagger_.backend().name(), furthest(kOutput),
        furthest(kGradient), furthest(kUpdate),
        static_cast<double>(others_) / static_cast<double>(std::max<int64_t>(windows_, 1)));
  }

  void compare(const ObservedStep& step) {
    const Step followed = recorder_.take(before_);
    const std::vector<Seen>&found = followed.seen, expected = repeat(step, followed).seen;
    if (found.size() != expected.size())
      fail("lockstep: {} tensors on {}, {} on {}", found.size(), step.tagger.backend().name(),
           expected.size(), tagger_.backend().name());
    constexpr double allowed[kKinds] = {kLockstepOutputs, kLockstepGradients, kLockstepUpdates};
    for (size_t i = 0; i < found.size(); ++i) {
      const auto& [kind, what, values] = found[i];
      if (what != expected[i].what || values.size() != expected[i].values.size())
        fail("lockstep: {} [{}] on {}, {} [{}] on {}", what, values.size(),
             step.tagger.backend().name(), expected[i].what, expected[i].values.size(),
             tagger_.backend().name());
      const double by = off(values, expected[i].values);
      if (!(by <= allowed[kind]))
        fail(
            "lockstep: step {} of {}: {} is off by {:.2g} of its norm from {}'s, {:.2g} is allowed",
            step.step, to_string(tagger_.kind()), what, by, tagger_.backend().name(),
            allowed[kind]);
      if (by > furthest_[kind].off) furthest_[kind] = {by, what};
    }
    start_from(step.tagger);
    ++compared_;
  }

 private:
  /// The next step begins with the parameters of the device.
  void start_from(const Tagger& tagger) {
    Tagger::Snapshots snapshots = tagger.snapshot();
    tagger_.restore(snapshots);
    before_ = std::move(snapshots.back());
  }

  struct Steps {  // of one batch size
    std::unique_ptr<TaggerPass> pass;
    DeviceMemory memory;
    std::unique_ptr<TrainingStep> step;
  };

  Steps& steps_of(int64_t n, const TrainingStep::Settings& settings) {
    Steps& steps = steps_[n];
    if (steps.pass) return steps;
    const LibraryBlocks library;
    steps.pass = std::make_unique<TaggerPass>(tagger_, /*training=*/true, std::vector{n});
    steps.memory = tagger_.backend().allocate(steps.pass->arena().bytes(), "a step in lockstep");
    steps.pass->bind(steps.memory.data());
    steps.step = std::make_unique<TrainingStep>(
        tagger_, *steps.pass,
        [this, &pass = *steps.pass](int64_t count) { source_.assemble(pass, tagger_, count); },
        settings);
    return steps;
  }

  Step repeat(const ObservedStep& step, const Step& followed) {
    TrainingStep& training = *steps_of(step.batch.size(), step.settings).step;
    Follower follower(tagger_, followed);
    const ListenWith listening(&follower);
    StepSeconds seconds;
    training.run(step.step, step.batch, step.class_weights, seconds);
    training.take_report(/*wait=*/true);
    windows_ += follower.windows;
    others_ += follower.others;
    return follower.take(before_);
  }

  Recorder recorder_;  // of the device
  const ClipSource& source_;
  Tagger tagger_;
  Parameters::Snapshot before_;
  std::map<int64_t, Steps> steps_;
  Furthest furthest_[kKinds];
  int64_t windows_ = 0, others_ = 0, compared_ = 0;
};

Lockstep::Lockstep(Backend& reference, const Store& store, const Config& config, int64_t steps)
    : reference_(reference), source_(store), steps_(steps) {
  if (config.precision != Precision::kF32)
    fail_usage("lockstep compares the numbers of fp32; set precision=fp32, not {}",
               to_string(config.precision));
  source_.resize_clips(config);
  source_.place_on(reference);
}

Lockstep::~Lockstep() { finish(); }

void Lockstep::on_start(const Tagger& tagger) {
  finish();
  twin_ = std::make_unique<Twin>(reference_, source_, tagger);
}

TraceListener* Lockstep::listener() { return twin_ ? &twin_->recorder() : nullptr; }

void Lockstep::on_step(const ObservedStep& step) {
  if (!twin_) return;
  twin_->compare(step);
  if (twin_->compared() == steps_) finish();
}

void Lockstep::finish() {
  if (twin_ && twin_->compared() > 0) spdlog::info("{}", twin_->summary());
  twin_.reset();
}

}  // namespace earshot
