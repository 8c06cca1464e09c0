// The one table of config keys. Parsing, checking, writing and help all come from it.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "models/config.h"

namespace earshot {

struct ConfigKey {
  enum class Kind { kFlag, kInteger, kReal, kWord, kIntegers };

  std::string name;  // dotted: "augment.mixup.clips"
  Kind kind;
  std::string allowed;  // "an integer from 1 to 4"
  std::string meaning;
  std::function<nlohmann::json(const Config&)> get;
  /// False, and the config untouched, where the value has the wrong type or is out of range.
  std::function<bool(Config&, const nlohmann::json&)> set;
};

/// In the order of writing; the keys of one section stand together.
const std::vector<ConfigKey>& config_keys();

/// nullptr where there is no such key.
const ConfigKey* find_config_key(const std::string& name);

/// "augment" and "augment.mixup" are sections.
bool is_config_section(const std::string& name);

/// " Did you mean augment.mixup?", or nothing where no key is close.
std::string closest_config_key(const std::string& name);

}  // namespace earshot
