#include "models/config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "models/config_keys.h"
#include "models/config_yaml.h"

namespace earshot {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

// Where the configs lie that come with the programs: beside the folder of the running program.
// The second place serves programs one folder deeper, such as tests.
std::vector<fs::path> config_folders() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const fs::path folder = program.parent_path();
  return {folder.parent_path() / "configs", folder.parent_path().parent_path() / "configs"};
}

fs::path find_config(const std::string& name) {
  std::error_code error;
  if (fs::exists(name, error) && !fs::is_directory(name, error)) return name;
  const auto shipped = shipped_configs();
  if (std::find(shipped.begin(), shipped.end(), name) != shipped.end()) {
    for (const fs::path& folder : config_folders()) {
      fs::path path = folder / (name + ".yaml");
      if (fs::is_regular_file(path, error)) return path;
    }
  }
  std::string list;
  for (const std::string& word : shipped) list += (list.empty() ? "" : ", ") + word;
  fail_usage("config {}: there is no such file, and the configs that come with earshot are {}",
             name.empty() ? "\"\"" : name, list.empty() ? "not installed" : list);
}

// What no key can check on its own.
void check_together(const Config& config, const std::vector<ConfigSetting>& settings,
                    const std::string& otherwise) {
  const auto place = [&](const std::string& name) {
    std::string where = otherwise;
    for (const ConfigSetting& setting : settings) {
      if (setting.key->name == name) where = setting.where;
    }
    return where;
  };
  for (int fold : config.folds.run) {
    if (fold < config.folds.count) continue;
    fail_usage("{}: folds.run names fold {}, but folds.count is {}, so the last one is {}",
               place("folds.run"), fold, config.folds.count, config.folds.count - 1);
  }
}

// One line of YAML text for a value of the table.
std::string yaml_value(const nlohmann::json& value) {
  if (!value.is_string()) return value.dump();
  const std::string word = value.get<std::string>();
  const bool reads_as_nothing = word == "null" || word == "Null" || word == "NULL";
  return reads_as_nothing ? '"' + word + '"' : word;
}

nlohmann::json::json_pointer pointer(const std::string& dotted) {
  std::string path = "/" + dotted;
  std::replace(path.begin(), path.end(), '.', '/');
  return nlohmann::json::json_pointer(path);
}

void collect(const nlohmann::json& json, const std::string& prefix,
             std::vector<ConfigSetting>& settings) {
  for (const auto& [word, value] : json.items()) {
    const std::string name = prefix + word;
    if (const ConfigKey* key = find_config_key(name)) {
      settings.push_back({key, value, "config"});
    } else if (is_config_section(name) && value.is_object()) {
      collect(value, name + ".", settings);
    } else {
      unknown_config_key("config", name);
    }
  }
}

}  // namespace

const char* to_string(ModelKind kind) {
  switch (kind) {
    case ModelKind::kAudio:
      return "cnn-audio";
    case ModelKind::kSpec:
      return "cnn-spec";
    case ModelKind::kComb:
      return "cnn-comb";
  }
  fail("{} is no model kind", static_cast<int>(kind));
}

ModelKind model_kind(const std::string& word) {
  for (ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb}) {
    if (word == to_string(kind)) return kind;
  }
  fail_usage("there is no model {}; the models are cnn-audio, cnn-spec and cnn-comb", word);
}

const PhaseSettings& Config::phase(ModelKind kind) const {
  return kind == ModelKind::kAudio ? audio : kind == ModelKind::kSpec ? spec : comb;
}

std::vector<std::string> shipped_configs() {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::path& folder : config_folders()) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".yaml") names.push_back(entry.path().stem().string());
    }
    if (!names.empty()) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

Config load_config(const std::string& name, const std::vector<std::string>& overrides) {
  const fs::path path = find_config(name);
  std::vector<ConfigSetting> settings =
      settings_from_yaml(read_file(path, kMaxConfigBytes), path.string());
  for (const std::string& option : overrides) {
    const auto more = settings_from_option(option);
    settings.insert(settings.end(), more.begin(), more.end());
  }
  Config config;
  apply_settings(config, settings);
  check_together(config, settings, path.string());
  return config;
}

std::string config_help() {
  const Config paper;
  std::string text;
  for (const ConfigKey& key : config_keys()) {
    text += fmt::format("{}: {}\n    {}; {}\n", key.name, yaml_value(key.get(paper)), key.meaning,
                        key.allowed);
  }
  return text;
}

std::string to_yaml(const Config& config) {
  std::string text;
  std::vector<std::string> open;  // sections of the line before
  for (const ConfigKey& key : config_keys()) {
    std::vector<std::string> parts;
    size_t start = 0;
    for (size_t dot = 0; (dot = key.name.find('.', start)) != key.name.npos; start = dot + 1) {
      parts.push_back(key.name.substr(start, dot - start));
    }
    const auto shared = std::mismatch(parts.begin(), parts.end(), open.begin(), open.end()).first;
    for (auto part = shared; part != parts.end(); ++part) {
      text += std::string(2 * (part - parts.begin()), ' ') + *part + ":\n";
    }
    text += std::string(2 * parts.size(), ' ') + key.name.substr(start) + ": " +
            yaml_value(key.get(config)) + "\n";
    open = parts;
  }
  return text;
}

nlohmann::json to_json(const Config& config) {
  nlohmann::json json = nlohmann::json::object();
  for (const ConfigKey& key : config_keys()) json[pointer(key.name)] = key.get(config);
  return json;
}

Config config_from_json(const nlohmann::json& json) {
  if (!json.is_object()) fail("config: not a JSON object; the checkpoint is damaged");
  Config config;
  try {
    std::vector<ConfigSetting> settings;
    collect(json, "", settings);
    apply_settings(config, settings);
    check_together(config, settings, "config");
  } catch (const UsageError& error) {  // nobody typed this: the work fails, not the call
    throw Error(error.what());
  }
  return config;
}

}  // namespace earshot
