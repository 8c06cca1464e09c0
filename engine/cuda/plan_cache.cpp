#include "engine/cuda/plan_cache.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace earshot::cuda {
namespace {

using nlohmann::json;

constexpr const char* kFormat = "earshot plans";
constexpr int kVersion = 1;  // raised when kernels of our own become faster or slower

json empty_file() {
  return {{"format", kFormat}, {"version", kVersion}, {"devices", json::object()}};
}

/// The file's content; an empty one where there is no file. Throws where it is not such a file.
json read_choices(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return empty_file();
  constexpr uint64_t kMost = uint64_t{64} << 20;
  json content = json::parse(read_file(path, kMost));
  if (content.at("format") != kFormat) fail("it is not a file of plans");
  if (content.at("version") != kVersion) fail("it is of another version");
  for (const auto& [device, choices] : content.at("devices").items())
    for (const auto& [key, choice] : choices.items()) {
      choice.at("plan").get_ref<const std::string&>();
      choice.at("milliseconds").get<double>();
    }
  return content;
}

/// Held by one process at a time, freed by the kernel when it ends.
class WriteLock {
 public:
  explicit WriteLock(const fs::path& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (fd_ < 0) fail("cannot open {}", path.string());
    ::flock(fd_, LOCK_EX);  // a file system without locks: the last writer wins
  }
  ~WriteLock() { ::close(fd_); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  int fd_;
};

}  // namespace

std::string PlanEnvironment::name() const {
  return fmt::format("{}, compute capability {}.{}, driver {}.{}, cuDNN {}", device,
                     capability / 10, capability % 10, driver / 1000, driver % 1000 / 10, cudnn);
}

fs::path plan_cache_path() {
  const char* own = std::getenv("EARSHOT_CACHE_DIR");
  if (own) return *own ? fs::path(own) / "plans.json" : fs::path();
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache && fs::path(cache).is_absolute()) return fs::path(cache) / "earshot" / "plans.json";
  const char* home = std::getenv("HOME");
  return home && *home ? fs::path(home) / ".cache" / "earshot" / "plans.json" : fs::path();
}

PlanFile::PlanFile(fs::path path, std::string environment)
    : path_(std::move(path)), environment_(std::move(environment)) {
  if (path_.empty()) return;
  try {
    const json content = read_choices(path_);
    const json mine = content["devices"].value(environment_, json::object());
    for (const auto& [key, choice] : mine.items())
      choices_[key] = {choice["plan"], choice["milliseconds"]};
  } catch (const std::exception& error) {
    spdlog::warn("the plans in {} are not used ({}); they are measured anew", path_.string(),
                 error.what());
  }
}

const PlanChoice* PlanFile::find(const std::string& key) const {
  const auto found = choices_.find(key);
  return found == choices_.end() ? nullptr : &found->second;
}

void PlanFile::add(const std::string& key, const PlanChoice& choice) {
  choices_[key] = choice;
  if (!path_.empty()) added_[key] = choice;
}

void PlanFile::save() {
  if (added_.empty()) return;
  try {
    if (path_.has_parent_path()) fs::create_directories(path_.parent_path());
    const WriteLock lock(path_.string() + ".lock");
    json content;
    try {
      content = read_choices(path_);
    } catch (const std::exception&) {
      content = empty_file();  // the warning was given when it was opened
    }
    json& choices = content["devices"][environment_];
    for (const auto& [key, choice] : added_)
      choices[key] = {{"plan", choice.plan}, {"milliseconds", choice.milliseconds}};
    write_file(path_, content.dump(1) + "\n");
  } catch (const std::exception& error) {
    spdlog::warn("the plans chosen are not kept in {}: {}", path_.string(), error.what());
    path_.clear();
  }
  added_.clear();
}

void PlanChoices::keep_in(const fs::path& run) { run_ = PlanFile(run, environment_); }

size_t PlanChoices::choose(const std::string& key, const PlanOptions& options) {
  const size_t none = options.names.size();
  for (const PlanFile* file : {&run_, &cache_})
    if (const PlanChoice* choice = file->find(key)) {
      const auto at = std::find(options.names.begin(), options.names.end(), choice->plan);
      const auto i = static_cast<size_t>(at - options.names.begin());
      if (i == none || !options.usable(i)) continue;
      if (file != &run_) run_.add(key, *choice);
      return i;
    }
  double least = std::numeric_limits<double>::infinity();
  size_t best = none;
  for (size_t i = 0; i < none; ++i) {
    if (!options.usable(i)) continue;
    if (best == none) best = i;  // where no time is known
    if (!options.milliseconds) return best;
    const double time = options.milliseconds(i);
    if (!(time < least)) continue;
    least = time;
    best = i;
  }
  if (std::isfinite(least)) {
    cache_.add(key, {options.names[best], least});
    run_.add(key, {options.names[best], least});
  }
  return best;
}

void PlanChoices::save() {
  cache_.save();
  run_.save();
}

}  // namespace earshot::cuda
