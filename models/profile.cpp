#include "models/profile.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>

#include "models/step_case.h"

namespace earshot {
namespace {

using Clock = std::chrono::steady_clock;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// Times every range with the device waited for at both ends, while it lives.
class Listener : public TraceListener {
 public:
  explicit Listener(Backend& backend) : backend_(backend) { trace_listener = this; }
  ~Listener() override { trace_listener = nullptr; }

  void begin(const std::string& name, TracePhase phase) override {
    const bool part = name.back() == '.';
    if (part) part_ = name;
    backend_.synchronize();
    open_.push_back({part ? "" : part_ + name, to_string(phase), now(), 0});
  }
  void end() override {
    backend_.synchronize();
    ProfileEvent event = open_.back();
    open_.pop_back();
    if (event.name.empty()) {
      part_.clear();
      return;
    }
    event.seconds = now() - event.start;
    events.push_back(event);
  }

  std::vector<ProfileEvent> events;

 private:
  double now() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  Backend& backend_;
  Clock::time_point start_ = Clock::now();
  std::vector<ProfileEvent> open_;
  std::string part_;  // no part lies in another
};

double median_step(StepCase& step, int steps) {
  std::vector<double> seconds;
  for (int i = 0; i < steps; ++i) {
    const auto start = Clock::now();
    step.run();
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
  }
  return median(seconds);
}

/// Work by name and phase, of the layers, the loss and the update.
std::map<std::pair<std::string, std::string>, Work> counted(StepCase& step) {
  std::map<std::pair<std::string, std::string>, Work> out;
  for (const LayerWork& layer : step.pass().work(step.batch())) {
    out[{layer.name, "forward"}] = layer.forward;
    out[{layer.name, "backward"}] = layer.backward;
  }
  const auto parameters = static_cast<double>(step.tagger().trainable().trainable_count());
  out[{"adam", "update"}] = {12 * parameters, 28 * parameters, 12 * parameters};
  return out;
}

/// Rows in the order in which the ranges end; a range that comes twice in a step is one row.
std::vector<ProfileRow> rows_of(const std::vector<ProfileEvent>& events, int steps,
                                const std::map<std::pair<std::string, std::string>, Work>& work) {
  std::vector<ProfileRow> rows;
  std::vector<std::vector<double>> seconds;
  for (const ProfileEvent& e : events) {
    size_t i = 0;
    while (i < rows.size() && (rows[i].name != e.name || rows[i].phase != e.phase)) ++i;
    if (i == rows.size()) {
      const auto found = work.find({e.name, e.phase});
      rows.push_back({e.name, e.phase, 0, found == work.end() ? Work{} : found->second});
      seconds.emplace_back();
    }
    seconds[i].push_back(e.seconds);
  }
  for (size_t i = 0; i < rows.size(); ++i)
    rows[i].seconds = median(seconds[i]) * static_cast<double>(seconds[i].size()) / steps;
  return rows;
}

}  // namespace

Profile profile_step(Backend& backend, const Config& config, ModelKind kind, int64_t batch,
                     int steps, const Roofline& roofline) {
  Profile p{kind, batch, backend.description(), roofline, 0, 0, {}, {}};
  StepCase step(backend, config, kind, batch);
  step.run();
  p.step_seconds = median_step(step, steps);
  Listener listener(backend);
  p.profiled_seconds = median_step(step, steps);
  p.events = std::move(listener.events);
  p.rows = rows_of(p.events, steps, counted(step));
  return p;
}

double Profile::floor() const {
  double sum = 0;
  for (const ProfileRow& row : rows) sum += roofline.floor(row.work);
  return sum;
}

std::string Profile::table() const {
  std::string text = fmt::format(
      "{} batch {} on {}\nroofs measured here: matrix product {:.1f} GFLOP/s, copy {:.1f} GB/s\n\n"
      "{:<26} {:<9} {:>10} {:>6} {:>9} {:>9} {:>9} {:>8} {:>7}  {}\n",
      to_string(kind), batch, device, 1e-9 * roofline.flops_per_second,
      1e-9 * roofline.bytes_per_second, "layer", "direction", "ms", "share", "GFLOP", "MB",
      "GFLOP/s", "GB/s", "roof", "bound by");
  double ranges = 0;
  for (const ProfileRow& row : rows) {
    ranges += row.seconds;
    text += fmt::format("{:<26} {:<9} {:>10.3f} {:>5.1f}%", row.name, row.phase, 1e3 * row.seconds,
                        100 * row.seconds / profiled_seconds);
    if (row.work.bytes > 0)
      text += fmt::format(" {:>9.3f} {:>9.1f} {:>9.1f} {:>8.2f} {:>6.1f}%  {}",
                          1e-9 * row.work.flops, 1e-6 * row.work.bytes,
                          1e-9 * row.work.flops / row.seconds, 1e-9 * row.work.bytes / row.seconds,
                          100 * roofline.floor(row.work) / row.seconds, roofline.bound(row.work));
    text += "\n";
  }
  return text + fmt::format(
                    "{:<26} {:<9} {:>10.3f} {:>5.1f}%\n\n"
                    "step {:.3f} ms ({:.3f} ms with every range waited for), floor {:.3f} ms: "
                    "{:.1f} % of the roof\n",
                    "outside the ranges", "", 1e3 * (profiled_seconds - ranges),
                    100 * (1 - ranges / profiled_seconds), 1e3 * step_seconds,
                    1e3 * profiled_seconds, 1e3 * floor(), 100 * floor() / step_seconds);
}

nlohmann::json Profile::to_json() const {
  nlohmann::json out{{"model", to_string(kind)},
                     {"batch", batch},
                     {"device", device},
                     {"roofline",
                      {{"flops_per_second", roofline.flops_per_second},
                       {"bytes_per_second", roofline.bytes_per_second}}},
                     {"step_seconds", step_seconds},
                     {"profiled_seconds", profiled_seconds},
                     {"floor_seconds", floor()},
                     {"rows", nlohmann::json::array()}};
  for (const ProfileRow& row : rows)
    out["rows"].push_back({{"name", row.name},
                           {"phase", row.phase},
                           {"seconds", row.seconds},
                           {"flops", row.work.flops},
                           {"bytes", row.work.bytes},
                           {"dense_flops", row.work.dense_flops},
                           {"floor_seconds", roofline.floor(row.work)},
                           {"bound", row.work.bytes > 0 ? roofline.bound(row.work) : "unknown"}});
  return out;
}

nlohmann::json Profile::to_trace() const {
  nlohmann::json list = nlohmann::json::array();
  for (const ProfileEvent& e : events)
    list.push_back({{"name", e.name},
                    {"cat", e.phase},
                    {"ph", "X"},
                    {"ts", 1e6 * e.start},
                    {"dur", 1e6 * e.seconds},
                    {"pid", to_string(kind)},
                    {"tid", e.phase}});
  return {{"traceEvents", list}, {"displayTimeUnit", "ms"}};
}

}  // namespace earshot
