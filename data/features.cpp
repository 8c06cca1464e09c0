#include "data/features.h"

#include <nlohmann/json.hpp>

#include "engine/error.h"

namespace earshot {
namespace {

LogScale log_scale_from(const nlohmann::json& value) {
  if (value == "amplitude_db") return LogScale::kAmplitudeDb;
  if (value == "power_db") return LogScale::kPowerDb;
  fail_usage("features.log is {}, but it must be \"amplitude_db\" or \"power_db\"", value.dump());
}

double trim_db_from(const nlohmann::json& value) {
  const double db = value.is_number() ? value.get<double>() : -1.0;
  if (!(db >= 0.0 && db <= 200.0)) {
    fail_usage("features.trim_db is {}, but it must be a number of dB from 0 (no trim) to 200",
               value.dump());
  }
  return db;
}

}  // namespace

FeatureSettings features_from_json(const nlohmann::json& json) {
  if (!json.is_object()) fail_usage("features is {}, but it must be an object", json.dump());
  FeatureSettings settings;
  for (const auto& [key, value] : json.items()) {
    if (key == "log") {
      settings.log_scale = log_scale_from(value);
    } else if (key == "trim_db") {
      settings.trim_db = trim_db_from(value);
    } else if (key == "peak") {
      if (!value.is_boolean()) {
        fail_usage("features.peak is {}, but it must be true or false", value.dump());
      }
      settings.peak = value.get<bool>();
    } else {
      fail_usage("features has an unknown key '{}'; it knows log, trim_db and peak", key);
    }
  }
  return settings;
}

nlohmann::json to_json(const FeatureSettings& settings) {
  const bool amplitude = settings.log_scale == LogScale::kAmplitudeDb;
  return {{"log", amplitude ? "amplitude_db" : "power_db"},
          {"trim_db", settings.trim_db},
          {"peak", settings.peak}};
}

}  // namespace earshot
