// The settings of a run: one YAML file, every key checked. The defaults are the paper's recipe.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/files.h"
#include "engine/precision.h"

namespace earshot {

enum class ModelKind { kAudio, kSpec, kComb };
const char* to_string(ModelKind kind);  // "cnn-audio", "cnn-spec", "cnn-comb"
/// Throws UsageError for any other word.
ModelKind model_kind(const std::string& word);

struct PhaseSettings {  // paper 2.5
  int epochs = 300;
  int patience = 35;  // epochs without a better validation loss before the phase stops
  double learning_rate = 1e-3;
  double weight_decay = 0.0;  // decoupled: p -= learning_rate * weight_decay * p
  bool operator==(const PhaseSettings&) const = default;
};

struct OptimizerSettings {  // Adam, Keras form: epsilon outside the bias correction
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-7;
  /// Of the learning rate over a phase: as it is, or down to 0 along half a cosine.
  enum class Schedule { kConstant, kCosine } schedule = Schedule::kConstant;
  double warmup = 0;  // epochs in which the learning rate first rises from 0
  bool operator==(const OptimizerSettings&) const = default;
};

struct MixupSettings {       // paper 2.4
  int clips = 2;             // 1 to 4 clips blended into one example
  double alpha = 1.0;        // weights from Dirichlet(alpha, ..., alpha)
  double probability = 1.0;  // of blending an example at all
  bool operator==(const MixupSettings&) const = default;
};

struct AugmentSettings {  // paper 2.4; `enabled: false` trains on the validation view of each clip
  bool enabled = true;
  bool shift = true;      // circular roll by a uniform offset
  bool replicate = true;  // a short clip appears 1..n times; false: once
  double gain_db = 0;     // each clip is made louder or softer by up to this, uniform in dB
  MixupSettings mixup;
  bool operator==(const AugmentSettings&) const = default;
};

struct InputSettings {
  /// What lies beside a clip in a spectrogram: the literal 0.0 or the clip's floor in dB.
  enum class Padding { kZero, kFloor } spectrogram_padding = Padding::kZero;
  /// What is resized in time to the network's columns: the assembled window, or each clip before
  /// it is placed.
  enum class Resize { kWindow, kClip } resize = Resize::kWindow;
  bool wave_first = false;  // augment the wave, then extract the log-mel, instead of the cached one
  bool operator==(const InputSettings&) const = default;
};

struct HeadSettings {  // paper 2.3
  std::vector<int> layers = {512, 256, 256, 128};
  /// Statistics that the frozen trunks normalise with: moving averages or those of the batch.
  enum class TrunkBatchNorm { kMoving, kBatch } trunk_batch_norm = TrunkBatchNorm::kMoving;
  bool operator==(const HeadSettings&) const = default;
};

struct BatchNormSettings {
  double momentum = 0.99;  // moving = momentum * moving + (1 - momentum) * batch
  double epsilon = 1e-3;
  bool operator==(const BatchNormSettings&) const = default;
};

struct FoldSettings {
  int count = 5;              // at least 2
  std::vector<int> run = {};  // which to train; empty: all
  uint64_t seed = 2018;
  bool by_group = false;  // keep clips of one source in one fold
  bool operator==(const FoldSettings&) const = default;
};

struct ScoringSettings {  // paper 2.5
  int step = 5120;        // samples between crops, a multiple of 256
  bool align_end = true;  // one more crop at the end where the grid misses it
  int batch = 64;         // crops per forward pass
  bool operator==(const ScoringSettings&) const = default;
};

struct Config {
  std::string name = "paper";
  int seconds = 2;           // 1, 2 or 3
  double width_audio = 1.0;  // multiplies every channel and dense count of cnn-audio
  double width_spec = 1.0;
  int batch = 32;
  Precision precision = Precision::kF32;
  bool deterministic = true;  // only algorithms that give the same bits in every run
  uint64_t seed = 1;
  bool class_weights = true;
  double dropout = 0.0;  // after each hidden dense layer, 0 <= p < 1
  /// Share of each training target that is spread evenly over all classes, 0 <= s < 1.
  double label_smoothing = 0.0;
  bool verified_only = false;  // leave out training clips that nobody verified
  PhaseSettings audio, spec, comb;
  OptimizerSettings optimizer;
  AugmentSettings augment;
  InputSettings input;
  HeadSettings head;
  BatchNormSettings batch_norm;
  FoldSettings folds;
  ScoringSettings scoring;
  double checkpoint_seconds = 60;  // between checkpoints inside an epoch; 0: after every step

  const PhaseSettings& phase(ModelKind kind) const;
  bool operator==(const Config&) const = default;
};

/// Reads `name` as a file, or as one of the shipped configs (`paper-2s`, `quickstart`, ...).
/// An unknown key, a wrong type or an impossible value throws UsageError with file, line, key and
/// what is allowed; a missing file, the shipped names. An empty file is the paper's recipe.
/// `overrides` are "key=value" with dotted keys, as `--set` takes them; the last one wins.
Config load_config(const std::string& name, const std::vector<std::string>& overrides);

/// Names of the configs that come with earshot, sorted; empty where they are not installed.
std::vector<std::string> shipped_configs();

/// Every key with its default, meaning and what it allows, for `--help`.
std::string config_help();

/// Every key with its value, as YAML that load_config reads back to the same Config.
std::string to_yaml(const Config& config);

/// The same as JSON (for checkpoints), and back. Throws Error where the text is not such a config.
nlohmann::json to_json(const Config& config);
Config config_from_json(const nlohmann::json& json);

}  // namespace earshot
