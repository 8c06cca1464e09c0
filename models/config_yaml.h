// From YAML text to checked-by-name settings.
#pragma once

#include <string>
#include <vector>

#include "models/config_keys.h"

namespace earshot {

/// One key of a file or an option, its value not yet checked against the range.
struct ConfigSetting {
  const ConfigKey* key = nullptr;
  nlohmann::json value;
  std::string where;  // "my.yaml:12" or "--set batch=3"
};

/// Sets each key in turn; a value that its key does not allow throws UsageError.
void apply_settings(Config& config, const std::vector<ConfigSetting>& settings);

/// Settings of a file's content. Throws UsageError for broken YAML, unknown keys, keys that come
/// twice and values of the wrong type.
std::vector<ConfigSetting> settings_from_yaml(const std::string& text, const std::string& file);

/// Settings of "key=value"; the value is YAML, so that lists and sections can be given.
std::vector<ConfigSetting> settings_from_option(const std::string& option);

/// Throws UsageError: unknown key, with the closest one.
[[noreturn]] void unknown_config_key(const std::string& where, const std::string& name);

}  // namespace earshot
