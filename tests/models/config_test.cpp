#include "models/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/config_keys.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

class ConfigFile : public testing::Test {
 protected:
  fs::path write(const std::string& text) {
    const fs::path path = folder_ / "my.yaml";
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  Config load(const std::string& text, const std::vector<std::string>& overrides = {}) {
    return load_config(write(text).string(), overrides);
  }
  // The sentence of the UsageError that the text leads to.
  std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
    try {
      load(text, overrides);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "accepted";
  }

  Scratch folder_;
};

testing::AssertionResult says(const std::string& sentence, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (sentence.find(part) == sentence.npos) {
      return testing::AssertionFailure() << '"' << sentence << "\" lacks \"" << part << '"';
    }
  }
  return testing::AssertionSuccess();
}

// A config where no key has its default.
Config unusual() {
  Config config;
  config.name = "null";
  config.seconds = 3;
  config.width_audio = 0.1;
  config.width_spec = 1.0 / 3.0;
  config.batch = 7;
  config.precision = Precision::kBf16;
  config.deterministic = false;
  config.seed = std::numeric_limits<uint64_t>::max();
  config.class_weights = false;
  config.dropout = 0.25;
  config.label_smoothing = 0.125;
  config.verified_only = true;
  config.audio = {1, 2, 1e-7, 0.25};
  config.spec = {3, 4, 0.5, 0.01};
  config.comb = {5, 6, 1.0, 1};
  config.optimizer = {0.5, 0.75, 1e-300, OptimizerSettings::Schedule::kCosine, 1.5};
  config.augment = {false, false, false, 6, {4, 0.2, 0.5}};
  config.input = {InputSettings::Padding::kFloor, InputSettings::Resize::kClip, true};
  config.head = {{8, 8, 3}, HeadSettings::TrunkBatchNorm::kBatch};
  config.batch_norm = {0.0, 1e-5};
  config.folds = {10, {9, 0}, 0, true};
  config.scoring = {256, false, 1};
  config.checkpoint_seconds = 0;
  return config;
}

TEST_F(ConfigFile, EmptyFileIsThePaper) {
  EXPECT_EQ(load(""), Config{});
  EXPECT_EQ(load("# nothing but words\n"), Config{});
  EXPECT_EQ(load("---\n"), Config{});
  EXPECT_EQ(load("augment:\n  # shift: false\n"), Config{});
}

TEST_F(ConfigFile, SectionsNest) {
  const Config config = load(
      "seconds: 1\nwidth: {audio: 0.5}\ncnn-spec:\n  patience: 3\n"
      "augment: {mixup: {clips: 3}}\nfolds.run: [1, 2]\n");
  Config expected;
  expected.seconds = 1;
  expected.width_audio = 0.5;
  expected.spec.patience = 3;
  expected.augment.mixup.clips = 3;
  expected.folds.run = {1, 2};
  EXPECT_EQ(config, expected);
}

TEST_F(ConfigFile, OverridesWinInOrder) {
  const Config config = load("batch: 8\n", {"batch=16", "batch=4", "folds.run=[0, 3]",
                                            "cnn-audio={epochs: 2, patience: 1}", "seed=0"});
  EXPECT_EQ(config.batch, 4);
  EXPECT_EQ(config.folds.run, (std::vector<int>{0, 3}));
  EXPECT_EQ(config.audio.epochs, 2);
  EXPECT_EQ(config.audio.patience, 1);
  EXPECT_EQ(config.seed, 0u);
}

TEST_F(ConfigFile, YamlAndJsonRoundTrip) {
  for (const Config& config : {Config{}, unusual()}) {
    EXPECT_EQ(load(to_yaml(config)), config) << to_yaml(config);
    EXPECT_EQ(config_from_json(to_json(config)), config);
    const std::string text = to_json(config).dump();
    EXPECT_EQ(config_from_json(nlohmann::json::parse(text)), config) << text;
  }
}

TEST_F(ConfigFile, EveryKeyIsWrittenReadAndTold) {
  const std::string yaml = to_yaml(Config{}), help = config_help();
  for (const ConfigKey& key : config_keys()) {
    EXPECT_NE(key.get(Config{}), key.get(unusual())) << key.name;
    EXPECT_TRUE(help.find(key.name + ": ") != help.npos) << key.name;
    EXPECT_FALSE(key.meaning.empty() || key.allowed.empty()) << key.name;
    Config one;
    EXPECT_TRUE(key.set(one, key.get(unusual()))) << key.name;
    EXPECT_EQ(key.get(one), key.get(unusual())) << key.name;
    EXPECT_TRUE(key.set(one, key.get(Config{}))) << key.name;
    EXPECT_EQ(one, Config{}) << key.name << " touches another setting";
    EXPECT_TRUE(says(yaml, {key.name.substr(key.name.rfind('.') + 1) + ":"}));
  }
  EXPECT_GE(config_keys().size(), 40u);
}

TEST_F(ConfigFile, RefusalsNameFileLineKeyAndRange) {
  EXPECT_TRUE(says(refusal("seconds: 2\nbatch: 0\n"),
                   {"my.yaml:2: batch is 0", "an integer from 1 to 4096"}));
  EXPECT_TRUE(says(refusal("augment:\n  mixup:\n    clips: 5\n"),
                   {"my.yaml:3: augment.mixup.clips is 5", "an integer from 1 to 4"}));
  EXPECT_TRUE(says(refusal("", {"batch=0"}), {"--set batch=0: batch is 0", "4096"}));
}

TEST_F(ConfigFile, UnknownKeysGetTheClosest) {
  EXPECT_TRUE(says(refusal("bach: 3\n"), {"my.yaml:1", "no key bach", "mean batch?"}));
  EXPECT_TRUE(says(refusal("\naugment:\n  mixup:\n    clip: 3\n"),
                   {"my.yaml:4", "augment.mixup.clip", "mean augment.mixup.clips?"}));
  EXPECT_TRUE(says(refusal("mixup: {clips: 3}\n"), {"mean augment.mixup?"}));
  EXPECT_TRUE(says(refusal("", {"width_audio=3"}), {"--set width_audio=3", "mean width.audio?"}));
  EXPECT_TRUE(says(refusal("zzzzqqqqxxxx: 3\n"), {"no key zzzzqqqqxxxx."}));
  EXPECT_EQ(refusal("zzzzqqqqxxxx: 3\n").find("Did you mean"), std::string::npos);
}

TEST_F(ConfigFile, WrongTypesAreRefused) {
  for (const char* line : {"batch: 1.0",
                           "batch: 1e1",
                           "batch: '32'",
                           "batch: thirty",
                           "batch: [32]",
                           "batch: {a: 1}",
                           "batch:",
                           "batch: ~",
                           "batch: -1",
                           "batch: 4294967328",
                           "batch: 99999999999999999999999",
                           "seconds: 4",
                           "width: 0.5",
                           "width: [1, 1]",
                           "width: {audio: .nan}",
                           "width: {audio: nan}",
                           "width: {audio: inf}",
                           "width: {audio: 0}",
                           "dropout: 1",
                           "dropout: -0.1",
                           "class_weights: 1",
                           "class_weights: maybe",
                           "precision: fp16",
                           "seed: -1",
                           "seed: 18446744073709551616",
                           "cnn-audio: {patience: 0}",
                           "cnn-comb: {learning_rate: 0}",
                           "scoring: {step: 5000}",
                           "scoring: {step: 0}",
                           "head: {layers: 5}",
                           "head: {layers: []}",
                           "head: {layers: [512, 0]}",
                           "folds: {run: [0, 0]}",
                           "folds: {run: [5]}",
                           "folds: {run: [-1]}",
                           "folds: {count: 1}",
                           "folds: {run: 0}",
                           "name: ''",
                           "name: ../up",
                           "name: .hidden",
                           "input: {spectrogram_padding: none}",
                           "checkpoint_seconds: -1"}) {
    const std::string word = std::string(line).substr(0, std::string(line).find(':'));
    EXPECT_TRUE(says(refusal(line), {"my.yaml:1: ", word})) << line;
  }
  EXPECT_EQ(refusal("folds: {run: [5], count: 6}"), "accepted");
  EXPECT_EQ(refusal("precision: bf16"), "accepted");
  EXPECT_EQ(refusal("dropout: 0.999\nwidth: {audio: 1}"), "accepted");
}

TEST_F(ConfigFile, BrokenFilesAreRefused) {
  EXPECT_TRUE(says(refusal("batch: 8\nbatch: 8\n"), {"my.yaml:2", "batch is given twice"}));
  EXPECT_TRUE(says(refusal("folds.seed: 8\nfolds: {seed: 8}\n"), {"folds.seed is given twice"}));
  EXPECT_TRUE(says(refusal("batch: [1, 2\nseed: 3\n"), {"my.yaml:", "not valid YAML"}));
  EXPECT_TRUE(says(refusal("- batch\n"), {"my.yaml:1", "keys and values"}));
  EXPECT_TRUE(says(refusal("batch"), {"my.yaml:1", "keys and values"}));
  EXPECT_TRUE(says(refusal("batch: 8\n---\nbatch: 9\n"), {"several YAML documents"}));
  EXPECT_TRUE(says(refusal(", a: 1}\nhead:b: 2\n"), {"several YAML documents"}));
  EXPECT_TRUE(says(refusal("[a, b]: 8\n"), {"my.yaml:1", "must be a word"}));
  EXPECT_TRUE(says(refusal("batch: *nowhere\n"), {"not valid YAML"}));
  EXPECT_TRUE(says(refusal(std::string("ba\0tch: 8", 9)), {"my.yaml:1"}));
  EXPECT_TRUE(says(refusal("\xff\xfe\x80\x80: 8"), {"my.yaml:1"}));
}

TEST_F(ConfigFile, HostileFilesEndSoon) {
  EXPECT_TRUE(says(refusal(std::string(1000000, '[')), {"my.yaml:1", "nested too deeply"}));
  EXPECT_TRUE(says(refusal("batch: " + std::string(900000, '{')), {"my.yaml", "not valid YAML"}));
  EXPECT_TRUE(says(refusal("augment: &a {mixup: *a}\n"), {"augment.mixup.mixup"}));
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'z'; ++c) {
    bomb += fmt::format("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", c,
                        static_cast<char>(c - 1));
  }
  EXPECT_TRUE(says(refusal(bomb), {"my.yaml:1: there is no key a."}));
  EXPECT_TRUE(says(refusal("head: {layers: [" + std::string(100000, '1') + "]}"), {"head.layers"}));
  std::string keys;
  for (int i = 0; i < 30000; ++i) keys += fmt::format("k{}: {}\n", i, i);
  EXPECT_TRUE(says(refusal(keys), {"my.yaml:1: there is no key k0"}));
  EXPECT_LT(refusal(std::string(500000, 'k') + ": 1").size(), 400u);
  EXPECT_THROW(load(std::string((1 << 20) + 1, '#')), Error);
}

TEST_F(ConfigFile, BadOverridesNameTheOption) {
  for (const char* option : {"batch", "=3", "batch=", "batch=a", "batch=[", "batch=1\n---\n2",
                             "folds.run=0", "folds.run=[7]", "augment=3", "nonsense=1"}) {
    EXPECT_TRUE(says(refusal("", {option}), {"--set "})) << option;
  }
}

TEST_F(ConfigFile, ChecksWhatTwoKeysSayTogether) {
  EXPECT_TRUE(says(refusal("seed: 3\nfolds:\n  count: 3\n  run: [0, 3]\n"),
                   {"my.yaml:4", "fold 3", "folds.count is 3"}));
  EXPECT_TRUE(says(refusal("folds: {run: [4]}\n", {"folds.count=4"}), {"fold 4"}));
}

TEST_F(ConfigFile, JsonOfAnotherProgramIsAnError) {
  using nlohmann::json;
  for (const char* text :
       {"3", "[]", "null", R"({"batch": "32"})", R"({"batch": 32.5})", R"({"bach": 32})",
        R"({"augment": 3})", R"({"augment": {"mixup": {"clips": 9}}})",
        R"({"folds": {"run": [9]}})", R"({"seed": -3})", R"({"name": null})"}) {
    EXPECT_THROW(config_from_json(json::parse(text)), Error) << text;
    try {
      config_from_json(json::parse(text));
    } catch (const UsageError&) {
      ADD_FAILURE() << "a checkpoint is not the user's call: " << text;
    } catch (const Error&) {
    }
  }
  // A key that is younger than the checkpoint has its default.
  EXPECT_EQ(config_from_json(json::object()), Config{});
}

TEST(ShippedConfigs, AreThePaperAndAQuickStart) {
  EXPECT_EQ(shipped_configs(),
            (std::vector<std::string>{"better", "paper-1s", "paper-2s", "paper-3s", "quickstart"}));
  for (int seconds : {1, 2, 3}) {
    Config expected;
    expected.name = fmt::format("paper-{}s", seconds);
    expected.seconds = seconds;
    EXPECT_EQ(load_config(expected.name, {}), expected);
  }
  // What better changes is training alone: the networks and the scoring are the paper's.
  const Config better = load_config("better", {});
  EXPECT_EQ(better.optimizer.schedule, OptimizerSettings::Schedule::kCosine);
  Config rest = load_config("paper-2s", {});
  rest.name = better.name;
  rest.optimizer = better.optimizer;
  rest.audio = better.audio;
  rest.spec = better.spec;
  rest.comb = better.comb;
  rest.augment = better.augment;
  EXPECT_EQ(better, rest);
  const Config quick = load_config("quickstart", {"cnn-audio.epochs=1"});
  EXPECT_EQ(quick.seconds, 1);
  EXPECT_EQ(quick.audio.epochs, 1);
  EXPECT_EQ(quick.folds.run, std::vector<int>{0});
  EXPECT_LT(quick.width_spec, 1.0);
}

TEST(ShippedConfigs, AMissingFileListsThem) {
  for (const char* name : {"paper-9s", "no/such/file.yaml", "", "/tmp"}) {
    try {
      load_config(name, {});
      ADD_FAILURE() << name;
    } catch (const UsageError& error) {
      EXPECT_TRUE(says(error.what(), {"better, paper-1s, paper-2s, paper-3s, quickstart"}));
    }
  }
}

TEST(ModelKind, WordsRoundTrip) {
  for (ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb}) {
    EXPECT_EQ(model_kind(to_string(kind)), kind);
  }
  EXPECT_THROW(model_kind("cnn"), UsageError);
  Config config;
  config.spec.epochs = 5;
  EXPECT_EQ(config.phase(ModelKind::kSpec).epochs, 5);
  EXPECT_EQ(config.phase(ModelKind::kComb), config.comb);
}

}  // namespace
}  // namespace earshot
