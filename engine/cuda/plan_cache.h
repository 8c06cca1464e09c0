// Which of a library's plans is fastest is measured once and kept: in the user's cache for later
// runs, and in the run itself, so that a resumed run computes the same bits. Nothing of CUDA here.
//
// A file of choices is JSON, and appears whole; choices of several devices live side by side in it:
//   {"format": "earshot plans", "version": 1,
//    "devices": {<PlanEnvironment::name()>: {<key>: {"plan": ..., "milliseconds": ...}}}}
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/files.h"

namespace earshot::cuda {

/// All that a measured time holds for.
struct PlanEnvironment {
  std::string device;  // "NVIDIA H100 80GB HBM3"
  int capability;      // 90 for 9.0
  int driver;          // 13000 for CUDA 13.0
  size_t cudnn;        // 91900 for 9.19.0
  std::string name() const;
};

/// `plans.json` in $EARSHOT_CACHE_DIR, else $XDG_CACHE_HOME/earshot, else ~/.cache/earshot; empty
/// where EARSHOT_CACHE_DIR is empty or there is no home: then nothing is kept.
fs::path plan_cache_path();

struct PlanChoice {
  std::string plan;
  double milliseconds;
};

/// The choices of one environment in one file.
class PlanFile {
 public:
  /// An empty path: nothing is read or written. A file that cannot be used is left aside with
  /// a warning.
  PlanFile(fs::path path, std::string environment);
  const PlanChoice* find(const std::string& key) const;
  void add(const std::string& key, const PlanChoice& choice);
  /// Joins what was added with what other processes wrote meanwhile; for one key the last wins.
  /// A file that cannot be written is reported once in the log, and done without.
  void save();

 private:
  fs::path path_;
  std::string environment_;
  std::map<std::string, PlanChoice> choices_, added_;
};

/// The plans that compute one thing, best guess first.
struct PlanOptions {
  std::vector<std::string> names;
  std::function<bool(size_t)> usable;
  /// Of one run; infinity where it fails. Without it the first usable plan is taken, and not kept.
  std::function<double(size_t)> milliseconds;
};

class PlanChoices {
 public:
  PlanChoices(const PlanEnvironment& environment, const fs::path& cache)
      : environment_(environment.name()), cache_(cache, environment_), run_({}, environment_) {}
  /// From here on choices are also kept in the run's own file, which goes before the cache.
  void keep_in(const fs::path& run);
  /// The index of the plan to use: the run's choice, else the cache's, else the fastest (of equals
  /// the first). names.size() where none is usable.
  size_t choose(const std::string& key, const PlanOptions& options);
  void save();

 private:
  std::string environment_;
  PlanFile cache_, run_;
};

}  // namespace earshot::cuda
