// Training of tiny networks on a store of made-up clips.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/recording.h"
#include "data/store_writer.h"
#include "models/trainer.h"
#include "tests/reference/values.h"
#include "tests/scratch.h"

namespace earshot {

inline constexpr int kTestClasses = 3, kTestClips = 22;

/// Short clips of noise; the class is its loudness. `bad_clip`: its log-mel holds a NaN.
inline void make_store(const fs::path& folder, int bad_clip = -1) {
  StoreIndex index;
  for (int c = 0; c < kTestClasses; ++c) index.classes.push_back("class " + std::to_string(c));
  index.fingerprint = "0123456789abcdef";
  LogMel extractor(log_mel_settings(index.features));
  fs::create_directories(folder);
  StoreWriter writer(folder, index.fingerprint);
  for (int i = 0; i < kTestClips; ++i) {
    Clip clip;
    clip.name = std::to_string(i) + ".wav";
    clip.label = i % kTestClasses;
    const double loudness = 2000 * (1 + clip.label);
    std::vector<int16_t> samples;
    for (const float x : random_values(9000 + 1111 * i, uint32_t(i), -loudness, loudness))
      samples.push_back(static_cast<int16_t>(x));
    ClipMel mel = compute_log_mel(extractor, samples);
    if (i == bad_clip) mel.values[300] = std::numeric_limits<float>::quiet_NaN();
    writer.add(clip, samples, mel.values, mel.floor);
    index.clips.push_back(clip);
  }
  writer.commit(index);
}

/// Asks to stop after the first step of each call.
class StopAfterAStep : public StepObserver {
 public:
  void on_start(const Tagger&) override { stop = false; }
  void on_step(const ObservedStep&) override { stop = true; }
  std::atomic<bool> stop{false};
};

class TrainTest : public testing::Test {
 protected:
  TrainTest() {
    make_store(folder / "store");
    store = std::make_unique<Store>(folder / "store");
    config.seconds = 1;
    config.width_audio = config.width_spec = 1.0 / 16;
    config.batch = 3;
    config.dropout = 0.2;
    config.head.layers = {8, 6};
    config.folds.count = 3;
    config.folds.run = {1};
    for (PhaseSettings* phase : {&config.audio, &config.spec, &config.comb}) phase->epochs = 2;
  }
  TrainOutcome run(Backend& backend, const std::string& name, bool resume = false,
                   StopAfterAStep* stopper = nullptr, StepObserver* observer = nullptr) const {
    const StoreIndex& index = store->index();
    TrainRequest request{backend,
                         *store,
                         {config, index.features, index.classes, "store", index.fingerprint},
                         {folder / name},
                         resume,
                         kinds};
    request.observer = observer;
    if (stopper) {
      stopper->stop = false;
      request.stop = &stopper->stop;
      request.observer = stopper;
    }
    request.on_not_finite = on_not_finite;
    return train(request);
  }
  std::vector<nlohmann::json> log(const std::string& run, const std::string& event) const {
    std::ifstream file(RunPaths{folder / run}.log());
    std::vector<nlohmann::json> found;
    for (std::string line; std::getline(file, line);)
      if (nlohmann::json entry = nlohmann::json::parse(line); entry["event"] == event)
        found.push_back(std::move(entry));
    return found;
  }
  int64_t saved_step(const std::string& run, ModelKind kind) const {
    return std::stoll(SafetensorsFile(checkpoint(run, kind)).require_metadata("step"));
  }
  fs::path checkpoint(const std::string& run, ModelKind kind) const {
    return RunPaths{folder / run}.last(1, kind);
  }
  static std::string bytes(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  void expect_same(const std::string& a, const std::string& b) const {
    for (const ModelKind kind : kinds) {
      const std::string first = bytes(checkpoint(a, kind));
      EXPECT_FALSE(first.empty());
      EXPECT_TRUE(first == bytes(checkpoint(b, kind))) << a << ", " << b << ", " << to_string(kind);
    }
  }
  /// Device memory that holds about a third of the training clips beside the step.
  int64_t little_memory() const {
    Tagger tagger(*cpu, config, kinds.front(), kTestClasses, /*trained=*/true);
    const TaggerPass pass(tagger, /*training=*/true, {config.batch, 2});
    return tagger.trainable().bytes() + pass.arena().bytes() + 500'000;
  }

  Scratch folder;
  std::unique_ptr<Store> store;
  Config config;
  std::vector<ModelKind> kinds{ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb};
  OnNotFinite on_not_finite = OnNotFinite::kStop;
  std::unique_ptr<Backend> cpu = make_cpu_backend(2);
};

}  // namespace earshot
