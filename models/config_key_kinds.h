// The kinds of config keys: how each checks, reads and writes its value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "models/config_keys.h"

namespace earshot::keys {

using Json = nlohmann::json;

// `ref` maps a Config, const or not, to the member that the key stands for.
template <typename Ref>
ConfigKey flag(std::string name, std::string meaning, Ref ref) {
  return {std::move(name),
          ConfigKey::Kind::kFlag,
          "true or false",
          std::move(meaning),
          [ref](const Config& config) { return Json(ref(config)); },
          [ref](Config& config, const Json& value) {
            if (!value.is_boolean()) return false;
            ref(config) = value.get<bool>();
            return true;
          }};
}

// The value as int where it is an integer from low to high.
inline std::optional<int> integer_in(const Json& value, int low, int high) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{1} << 31) return std::nullopt;
  const int64_t number = value.get<int64_t>();
  if (number < low || number > high) return std::nullopt;
  return static_cast<int>(number);
}

template <typename Ref>
ConfigKey integer(std::string name, int low, int high, std::string meaning, Ref ref,
                  int multiple = 1) {
  std::string allowed = multiple == 1 ? "an integer" : fmt::format("a multiple of {}", multiple);
  return {std::move(name),
          ConfigKey::Kind::kInteger,
          fmt::format("{} from {} to {}", allowed, low, high),
          std::move(meaning),
          [ref](const Config& config) { return Json(ref(config)); },
          [=](Config& config, const Json& value) {
            const auto number = integer_in(value, low, high);
            if (!number || *number % multiple != 0) return false;
            ref(config) = *number;
            return true;
          }};
}

template <typename Ref>
ConfigKey seed(std::string name, std::string meaning, Ref ref) {
  return {std::move(name),
          ConfigKey::Kind::kInteger,
          "an integer from 0 to 18446744073709551615",
          std::move(meaning),
          [ref](const Config& config) { return Json(ref(config)); },
          [ref](Config& config, const Json& value) {
            if (!value.is_number_integer()) return false;
            if (!value.is_number_unsigned() && value.get<int64_t>() < 0) return false;
            ref(config) = value.get<uint64_t>();
            return true;
          }};
}

enum class Ends { kBoth, kNotLow, kNotHigh };  // which ends of the range are allowed

template <typename Ref>
ConfigKey real(std::string name, double low, double high, Ends ends, std::string meaning, Ref ref) {
  std::string allowed = ends == Ends::kNotLow    ? "a number above {} and up to {}"
                        : ends == Ends::kNotHigh ? "a number from {} to below {}"
                                                 : "a number from {} to {}";
  return {std::move(name),
          ConfigKey::Kind::kReal,
          fmt::format(fmt::runtime(allowed), low, high),
          std::move(meaning),
          [ref](const Config& config) { return Json(ref(config)); },
          [=](Config& config, const Json& value) {
            if (!value.is_number()) return false;
            const double number = value.get<double>();
            if (!(number >= low && number <= high)) return false;  // NaN too
            if (ends == Ends::kNotLow && number == low) return false;
            if (ends == Ends::kNotHigh && number == high) return false;
            ref(config) = number;
            return true;
          }};
}

template <typename Enum>
using Choices = std::vector<std::pair<std::string, Enum>>;

template <typename Enum, typename Ref>
ConfigKey choice(std::string name, Choices<Enum> choices, std::string meaning, Ref ref) {
  std::string allowed = choices.front().first;
  for (size_t i = 1; i < choices.size(); ++i) {
    allowed += (i + 1 == choices.size() ? " or " : ", ") + choices[i].first;
  }
  return {std::move(name),
          ConfigKey::Kind::kWord,
          std::move(allowed),
          std::move(meaning),
          [=](const Config& config) {
            const auto found = std::find_if(choices.begin(), choices.end(), [&](const auto& entry) {
              return entry.second == ref(config);
            });
            return Json(found->first);
          },
          [=](Config& config, const Json& value) {
            if (!value.is_string()) return false;
            for (const auto& [word, meant] : choices) {
              if (value.get<std::string>() != word) continue;
              ref(config) = meant;
              return true;
            }
            return false;
          }};
}

enum class Repeats { kAllowed, kForbidden };

struct ListRange {
  size_t least, most;  // entries
  int low, high;       // of each entry
  Repeats repeats;
};

template <typename Ref>
ConfigKey integers(std::string name, ListRange range, std::string allowed, std::string meaning,
                   Ref ref) {
  return {std::move(name),
          ConfigKey::Kind::kIntegers,
          std::move(allowed),
          std::move(meaning),
          [ref](const Config& config) { return Json(ref(config)); },
          [=](Config& config, const Json& value) {
            if (!value.is_array() || value.size() < range.least || value.size() > range.most) {
              return false;
            }
            std::vector<int> numbers;
            for (const Json& entry : value) {
              const auto number = integer_in(entry, range.low, range.high);
              if (!number) return false;
              const bool repeated =
                  std::find(numbers.begin(), numbers.end(), *number) != numbers.end();
              if (repeated && range.repeats == Repeats::kForbidden) return false;
              numbers.push_back(*number);
            }
            ref(config) = std::move(numbers);
            return true;
          }};
}

}  // namespace earshot::keys
