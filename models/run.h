// A run on disk: runs/<name>/{config.yaml, run.json, log.jsonl, tensorboard/,
// fold-<f>/<model>/{best,last}.safetensors, report.json, report.html}.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/features.h"
#include "engine/files.h"
#include "engine/safetensors.h"
#include "engine/tensorboard.h"
#include "models/config.h"

namespace earshot {

/// What a run is made of; fixed when it starts.
struct RunInfo {
  Config config;
  FeatureSettings features;
  std::vector<std::string> classes;
  std::string data;         // folder of the store
  std::string fingerprint;  // of the store
};

struct RunPaths {
  fs::path root;
  fs::path info() const { return root / "run.json"; }
  fs::path config() const { return root / "config.yaml"; }
  fs::path log() const { return root / "log.jsonl"; }
  fs::path plans() const { return root / "plans.json"; }  // algorithms that a GPU chose by time
  fs::path events() const { return root / "tensorboard"; }
  fs::path model(int fold, ModelKind kind) const;
  fs::path best(int fold, ModelKind kind) const { return model(fold, kind) / "best.safetensors"; }
  fs::path last(int fold, ModelKind kind) const { return model(fold, kind) / "last.safetensors"; }
};

/// The folder of a run and the one for its events, so that it can be locked.
void make_run_folder(const RunPaths& paths);

/// Starts a run in a new or empty folder; with `resume`, continues one of the same config and data
/// (starting it where there is none). Throws UsageError where that cannot be.
void open_run(const RunPaths& paths, const RunInfo& info, bool resume);

/// Throws Error where `root` is no run.
RunInfo read_run(const fs::path& root);

constexpr int kCheckpointVersion = 1;

/// Metadata that makes a checkpoint usable by itself: version, model, config, features, classes.
Metadata checkpoint_metadata(const RunInfo& info, ModelKind kind, int fold);
/// Throws Error unless the file is a checkpoint of this version and model.
void check_checkpoint(const SafetensorsFile& file, ModelKind kind);

/// Whether anything is trained yet.
bool has_begun(const RunPaths& paths);

/// Folds of a run that have a best checkpoint for `kind`, ascending.
std::vector<int> trained_folds(const RunPaths& paths, ModelKind kind);

/// Where training stands: which lines of the log to keep when it resumes.
struct Progressed {
  ModelKind kind;
  int fold;
  int64_t step;
  int epochs;  // that are complete
};

/// log.jsonl and the TensorBoard events of a run.
class RunLog {
 public:
  /// Keeps the lines of `done` phases and of each phase in `progressed` up to its step.
  RunLog(const RunPaths& paths, const std::vector<Progressed>& progressed);
  void write(const nlohmann::json& line);
  /// One scalar under "<tag>", at `step`.
  void scalar(const std::string& tag, int64_t step, double value);

 private:
  LineFile lines_;
  EventWriter events_;
};

}  // namespace earshot
