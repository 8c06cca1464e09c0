#include "models/config_keys.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "models/config_key_kinds.h"

namespace earshot {
namespace {

using namespace keys;
using Keys = std::vector<ConfigKey>;

// A name that can serve as a folder name anywhere.
bool is_run_name(const std::string& name) {
  const auto plain = [](unsigned char c) {
    return c < 128 && (std::isalnum(c) || c == '.' || c == '_' || c == '-');
  };
  return !name.empty() && name.size() <= 64 && name[0] != '.' && name[0] != '-' &&
         std::all_of(name.begin(), name.end(), plain);
}

ConfigKey run_name() {
  return {"name",
          ConfigKey::Kind::kWord,
          "1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first",
          "of the recipe; runs are called after it",
          [](const Config& config) { return Json(config.name); },
          [](Config& config, const Json& value) {
            if (!value.is_string() || !is_run_name(value.get<std::string>())) return false;
            config.name = value.get<std::string>();
            return true;
          }};
}

void add_model(Keys& keys) {
  keys.push_back(run_name());
  keys.push_back(integer(
      "seconds", 1, 3, "length of the input", [](auto& c) -> auto& { return c.seconds; }));
  keys.push_back(real(
      "width.audio", 0.0625, 4, Ends::kBoth,
      "multiplies every channel and dense count of cnn-audio",
      [](auto& c) -> auto& { return c.width_audio; }));
  keys.push_back(real(
      "width.spec", 0.0625, 4, Ends::kBoth, "the same for cnn-spec",
      [](auto& c) -> auto& { return c.width_spec; }));
  keys.push_back(integer(
      "batch", 1, 4096, "examples per training step", [](auto& c) -> auto& { return c.batch; }));
  keys.push_back(choice<Precision>(
      "precision",
      {{"fp32", Precision::kF32}, {"tf32", Precision::kTf32}, {"bf16", Precision::kBf16}},
      "of the products on a GPU, the CPU's are fp32; bf16 also stores the activations of "
      "convolution blocks in it",
      [](auto& c) -> auto& { return c.precision; }));
  keys.push_back(flag(
      "deterministic", "only algorithms that give the same bits in every run on one device",
      [](auto& c) -> auto& { return c.deterministic; }));
  keys.push_back(seed(
      "seed", "of the initial weights, the order of clips and the augmentation",
      [](auto& c) -> auto& { return c.seed; }));
  keys.push_back(flag(
      "class_weights", "weigh rare classes up in the training loss",
      [](auto& c) -> auto& { return c.class_weights; }));
  keys.push_back(real(
      "dropout", 0, 1, Ends::kNotHigh, "after each hidden dense layer",
      [](auto& c) -> auto& { return c.dropout; }));
  keys.push_back(real(
      "label_smoothing", 0, 1, Ends::kNotHigh,
      "share of each training target that is spread evenly over all classes",
      [](auto& c) -> auto& { return c.label_smoothing; }));
  keys.push_back(flag(
      "verified_only", "leave out training clips that nobody verified",
      [](auto& c) -> auto& { return c.verified_only; }));
  keys.push_back(real(
      "checkpoint_seconds", 0, 86400, Ends::kBoth,
      "between checkpoints inside an epoch; 0: after every step",
      [](auto& c) -> auto& { return c.checkpoint_seconds; }));
}

template <typename Ref>
void add_phase(Keys& keys, const std::string& model, Ref phase) {
  keys.push_back(integer(
      model + ".epochs", 1, 100000,
      "at most this many", [phase](auto& c) -> auto& { return phase(c).epochs; }));
  keys.push_back(integer(
      model + ".patience", 1, 100000,
      "epochs without a better validation loss before training stops", [phase](auto& c) -> auto& {
        return phase(c).patience;
      }));
  keys.push_back(real(
      model + ".learning_rate", 0, 1, Ends::kNotLow,
      "of Adam; the highest, where optimizer.schedule changes it", [phase](auto& c) -> auto& {
        return phase(c).learning_rate;
      }));
  keys.push_back(real(
      model + ".weight_decay", 0, 1, Ends::kBoth,
      "of Adam, decoupled from the gradient", [phase](auto& c) -> auto& {
        return phase(c).weight_decay;
      }));
}

void add_optimizer(Keys& keys) {
  using Schedule = OptimizerSettings::Schedule;
  keys.push_back(real(
      "optimizer.beta1", 0, 1, Ends::kNotHigh, "decay of Adam's first moment",
      [](auto& c) -> auto& { return c.optimizer.beta1; }));
  keys.push_back(real(
      "optimizer.beta2", 0, 1, Ends::kNotHigh, "decay of Adam's second moment",
      [](auto& c) -> auto& { return c.optimizer.beta2; }));
  keys.push_back(real(
      "optimizer.epsilon", 0, 1, Ends::kNotLow, "outside the bias correction",
      [](auto& c) -> auto& { return c.optimizer.epsilon; }));
  keys.push_back(choice<Schedule>(
      "optimizer.schedule", {{"constant", Schedule::kConstant}, {"cosine", Schedule::kCosine}},
      "of the learning rate: constant, or down to 0 along half a cosine until the last epoch",
      [](auto& c) -> auto& { return c.optimizer.schedule; }));
  keys.push_back(real(
      "optimizer.warmup", 0, 1000, Ends::kBoth, "epochs in which the learning rate rises from 0",
      [](auto& c) -> auto& { return c.optimizer.warmup; }));
}

void add_augment(Keys& keys) {
  keys.push_back(flag(
      "augment.enabled", "false: train on the validation view of each clip",
      [](auto& c) -> auto& { return c.augment.enabled; }));
  keys.push_back(flag(
      "augment.shift", "roll each clip by a random offset",
      [](auto& c) -> auto& { return c.augment.shift; }));
  keys.push_back(flag(
      "augment.replicate", "repeat a short clip a random number of times",
      [](auto& c) -> auto& { return c.augment.replicate; }));
  keys.push_back(real(
      "augment.gain_db", 0, 60, Ends::kBoth, "make each clip louder or softer by up to this, in dB",
      [](auto& c) -> auto& { return c.augment.gain_db; }));
  keys.push_back(integer(
      "augment.mixup.clips", 1, 4, "clips blended into one example",
      [](auto& c) -> auto& { return c.augment.mixup.clips; }));
  keys.push_back(real(
      "augment.mixup.alpha", 0.01, 100, Ends::kBoth, "of the Dirichlet distribution of the weights",
      [](auto& c) -> auto& { return c.augment.mixup.alpha; }));
  keys.push_back(real(
      "augment.mixup.probability", 0, 1, Ends::kBoth, "of blending an example",
      [](auto& c) -> auto& { return c.augment.mixup.probability; }));
}

void add_network(Keys& keys) {
  using Padding = InputSettings::Padding;
  using Resize = InputSettings::Resize;
  using TrunkBatchNorm = HeadSettings::TrunkBatchNorm;
  keys.push_back(choice<Padding>(
      "input.spectrogram_padding", {{"zero", Padding::kZero}, {"floor", Padding::kFloor}},
      "beside a short clip: 0.0 or the clip's quietest level in dB",
      [](auto& c) -> auto& { return c.input.spectrogram_padding; }));
  keys.push_back(choice<Resize>(
      "input.resize", {{"window", Resize::kWindow}, {"clip", Resize::kClip}},
      "what is resized in time to the network's columns: the assembled window, or each clip before "
      "it is placed",
      [](auto& c) -> auto& { return c.input.resize; }));
  keys.push_back(flag(
      "input.wave_first", "augment the wave, then extract the log-mel from it",
      [](auto& c) -> auto& { return c.input.wave_first; }));
  keys.push_back(integers(
      "head.layers", {1, 8, 1, 8192, Repeats::kAllowed},
      "a list of 1 to 8 integers from 1 to 8192, such as [512, 256]",
      "dense layers of cnn-comb before its softmax",
      [](auto& c) -> auto& { return c.head.layers; }));
  keys.push_back(choice<TrunkBatchNorm>(
      "head.trunk_batch_norm",
      {{"moving", TrunkBatchNorm::kMoving}, {"batch", TrunkBatchNorm::kBatch}},
      "statistics that the frozen trunks normalise with",
      [](auto& c) -> auto& { return c.head.trunk_batch_norm; }));
  keys.push_back(real(
      "batch_norm.momentum", 0, 1, Ends::kNotHigh,
      "share of the old moving average that each step keeps",
      [](auto& c) -> auto& { return c.batch_norm.momentum; }));
  keys.push_back(real(
      "batch_norm.epsilon", 0, 1, Ends::kNotLow, "added to the variance",
      [](auto& c) -> auto& { return c.batch_norm.epsilon; }));
}

void add_folds(Keys& keys) {
  keys.push_back(integer(
      "folds.count", 2, 100, "of the cross-validation",
      [](auto& c) -> auto& { return c.folds.count; }));
  keys.push_back(integers(
      "folds.run", {0, 100, 0, 99, Repeats::kForbidden},
      "a list of different integers from 0 to below folds.count, such as [0, 1]",
      "folds to train; []: all", [](auto& c) -> auto& { return c.folds.run; }));
  keys.push_back(seed(
      "folds.seed", "of the division into folds", [](auto& c) -> auto& { return c.folds.seed; }));
  keys.push_back(flag(
      "folds.by_group", "keep clips of one source in one fold",
      [](auto& c) -> auto& { return c.folds.by_group; }));
}

void add_scoring(Keys& keys) {
  keys.push_back(integer(
      "scoring.step", 256, 1 << 20, "samples between the crops of a clip",
      [](auto& c) -> auto& { return c.scoring.step; }, 256));
  keys.push_back(flag(
      "scoring.align_end", "one more crop at the end where the grid misses it",
      [](auto& c) -> auto& { return c.scoring.align_end; }));
  keys.push_back(integer(
      "scoring.batch", 1, 65536, "crops per forward pass",
      [](auto& c) -> auto& { return c.scoring.batch; }));
}

Keys all_keys() {
  Keys keys;
  add_model(keys);
  add_phase(
      keys, to_string(ModelKind::kAudio), [](auto& c) -> auto& { return c.audio; });
  add_phase(
      keys, to_string(ModelKind::kSpec), [](auto& c) -> auto& { return c.spec; });
  add_phase(
      keys, to_string(ModelKind::kComb), [](auto& c) -> auto& { return c.comb; });
  add_optimizer(keys);
  add_augment(keys);
  add_network(keys);
  add_folds(keys);
  add_scoring(keys);
  return keys;
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const Keys keys = all_keys();
  return keys;
}

}  // namespace earshot
