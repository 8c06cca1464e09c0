#include "models/run.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/checked_json.h"
#include "engine/error.h"

namespace earshot {
namespace {

using nlohmann::json;

constexpr JsonFormat kFormat{"earshot run", kCheckpointVersion};

json info_to_json(const RunInfo& info) {
  return {{"config", to_json(info.config)},
          {"features", to_json(info.features)},
          {"classes", info.classes},
          {"data", info.data},
          {"fingerprint", info.fingerprint}};
}

json info_from_file(const fs::path& path) {
  const std::string text = read_file(path);
  try {
    return checked_from_text(kFormat, text);
  } catch (const Error& error) {
    fail("{} {}; copy it again or start the run anew", path.string(), error.what());
  }
}

/// Bytes of the log that stand before anything a resumed run will write again.
uint64_t kept_bytes(const fs::path& log, const std::vector<Progressed>& progressed) {
  if (!fs::exists(log)) return 0;
  const std::string text = read_file(log);
  uint64_t kept = 0;
  while (kept < text.size()) {
    const size_t end = text.find('\n', kept);
    if (end == std::string::npos) break;
    const json line = json::parse(text.substr(kept, end - kept), nullptr, false);
    if (!line.is_object()) break;
    const bool keep = std::any_of(progressed.begin(), progressed.end(), [&](const Progressed& p) {
      return line.value("model", "") == to_string(p.kind) && line.value("fold", -1) == p.fold &&
             line.value("step", int64_t{0}) <= p.step &&
             (line.value("event", "") != "epoch" || line.value("epoch", 0) < p.epochs);
    });
    if (!keep) break;
    kept = end + 1;
  }
  return kept;
}

}  // namespace

fs::path RunPaths::model(int fold, ModelKind kind) const {
  return root / fmt::format("fold-{}", fold) / to_string(kind);
}

void make_run_folder(const RunPaths& paths) {
  std::error_code error;
  fs::create_directories(paths.events(), error);
  if (error) fail("cannot create {}: {}", paths.events().string(), error.message());
}

void open_run(const RunPaths& paths, const RunInfo& info, bool resume) {
  const bool exists = fs::exists(paths.info());
  if (exists && !resume)
    fail_usage("{} already holds a run; continue it with --resume or choose another --out",
               paths.root.string());
  if (exists) {
    const RunInfo old = read_run(paths.root);
    if (old.config != info.config)
      fail_usage("{} was started with another config; resume it with its own {}",
                 paths.root.string(), paths.config().string());
    if (old.fingerprint != info.fingerprint || old.classes != info.classes)
      fail_usage("{} was started on other data ({}); resume it with that store",
                 paths.root.string(), old.data);
    return;
  }
  write_file(paths.config(), to_yaml(info.config));
  write_file(paths.info(), checked_to_text(kFormat, info_to_json(info)));
}

RunInfo read_run(const fs::path& root) {
  const RunPaths paths{root};
  if (!fs::is_directory(root)) fail("{} is no folder of a run", root.string());
  if (!fs::exists(paths.info())) fail("{} holds no run: run.json is missing", root.string());
  try {
    const json text = info_from_file(paths.info());
    return {config_from_json(text.at("config")), features_from_json(text.at("features")),
            text.at("classes"), text.at("data"), text.at("fingerprint")};
  } catch (const json::exception& error) {
    fail("{} is damaged: {}", paths.info().string(), error.what());
  }
}

Metadata checkpoint_metadata(const RunInfo& info, ModelKind kind, int fold) {
  return {{"format", "earshot checkpoint"},
          {"version", std::to_string(kCheckpointVersion)},
          {"model", to_string(kind)},
          {"fold", std::to_string(fold)},
          {"config", to_json(info.config).dump()},
          {"features", to_json(info.features).dump()},
          {"classes", json(info.classes).dump()}};
}

void check_checkpoint(const SafetensorsFile& file, ModelKind kind) {
  if (file.require_metadata("format") != "earshot checkpoint")
    fail("{} is no earshot checkpoint", file.path().string());
  if (file.require_metadata("version") != std::to_string(kCheckpointVersion))
    fail("{}: checkpoint of format {}, this program reads {}", file.path().string(),
         file.require_metadata("version"), kCheckpointVersion);
  if (file.require_metadata("model") != to_string(kind))
    fail("{} is a checkpoint of {}, not of {}", file.path().string(),
         file.require_metadata("model"), to_string(kind));
}

bool has_begun(const RunPaths& paths) {
  for (const ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb})
    if (!trained_folds(paths, kind).empty()) return true;
  return false;
}

std::vector<int> trained_folds(const RunPaths& paths, ModelKind kind) {
  std::vector<int> folds;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(paths.root, error)) {
    const std::string name = entry.path().filename().string();
    int fold = -1;
    if (name.rfind("fold-", 0) != 0) continue;
    const auto [end, code] = std::from_chars(name.data() + 5, name.data() + name.size(), fold);
    if (code == std::errc() && end == name.data() + name.size() &&
        fs::exists(paths.best(fold, kind)))
      folds.push_back(fold);
  }
  std::sort(folds.begin(), folds.end());
  return folds;
}

RunLog::RunLog(const RunPaths& paths, const std::vector<Progressed>& progressed)
    : lines_(paths.log(), kept_bytes(paths.log(), progressed)), events_(paths.events()) {}

void RunLog::write(const json& line) { lines_.append(line.dump()); }

void RunLog::scalar(const std::string& tag, int64_t step, double value) {
  events_.scalar(tag, step, value);
}

}  // namespace earshot
