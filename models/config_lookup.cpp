#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "models/config_keys.h"

namespace earshot {
namespace {

// Insertions, deletions and replacements that turn `a` into `b`.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

// Every key and every section.
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  for (const ConfigKey& key : config_keys()) {
    for (size_t dot = key.name.find('.'); dot != key.name.npos; dot = key.name.find('.', dot + 1)) {
      const std::string section = key.name.substr(0, dot);
      if (std::find(names.begin(), names.end(), section) == names.end()) names.push_back(section);
    }
    names.push_back(key.name);
  }
  return names;
}

}  // namespace

const ConfigKey* find_config_key(const std::string& name) {
  const auto& keys = config_keys();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const ConfigKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_config_section(const std::string& name) {
  const auto& keys = config_keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const ConfigKey& key) { return key.name.starts_with(name + "."); });
}

std::string closest_config_key(const std::string& name) {
  constexpr size_t kLongestWorthComparing = 64;
  if (name.size() > kLongestWorthComparing) return {};
  std::string closest;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : all_names()) {
    // A right word in the wrong section is close as well.
    const size_t distance = std::min(edit_distance(name, candidate),
                                     edit_distance(last_part(name), last_part(candidate)) + 1);
    if (distance >= least) continue;
    least = distance;
    closest = candidate;
  }
  return closest.empty() ? "" : " Did you mean " + closest + "?";
}

}  // namespace earshot
