// Where the time of a training step goes: each layer and direction against the device's own roofs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/roofline.h"
#include "models/config.h"

namespace earshot {

struct ProfileRow {
  std::string name;
  std::string phase;   // of engine/trace.h
  double seconds = 0;  // median over the steps, the device waited for at both ends
  Work work;           // none where it is not counted
};

struct ProfileEvent {  // one range of one step
  std::string name, phase;
  double start = 0, seconds = 0;  // start: since the first step
};

struct Profile {
  ModelKind kind;
  int64_t batch = 0;
  std::string device;  // Backend::description()
  Roofline roofline;
  double step_seconds = 0;      // median of steps that nobody listened to
  double profiled_seconds = 0;  // median of steps with every range waited for
  std::vector<ProfileRow> rows;
  std::vector<ProfileEvent> events;

  /// Seconds that a step takes at least: the floors of all rows.
  double floor() const;
  std::string table() const;
  nlohmann::json to_json() const;
  /// Chrome's trace format, which Perfetto opens (ui.perfetto.dev).
  nlohmann::json to_trace() const;
};

/// `roofline`: measure_roofline of the backend at the config's precision. Runs `steps` steps on
/// random inputs without listening and as many with; one to warm up each.
Profile profile_step(Backend& backend, const Config& config, ModelKind kind, int64_t batch,
                     int steps, const Roofline& roofline);

}  // namespace earshot
