// Where the time of a training step goes, layer by layer.
#include "models/profile.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/files.h"
#include "engine/select_backend.h"
#include "tools/device_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

constexpr const char* kDescription =
    R"(Runs training steps of one network on random inputs and prints, per layer and direction: time,
share of the step, floating point operations and bytes that the mathematics asks for, their rates,
and how near they come to the device's own roofs (a matrix product and a copy, measured first).
Gradients behind a max-pool count where they are not zero. More than 100 % of the roof: fewer
multiplications than the direct algorithm that is counted, or tensors that were still in the cache.

Example: profile --config paper-2s --model cnn-spec --steps 5 --trace spec.json)";

struct Options {
  std::string config = "paper-2s", model = "cnn-audio", json, trace;
  std::vector<std::string> set;
  int64_t batch = 0;
  int steps = 5;
  DeviceOptions device;
};

void add_options(CLI::App& app, Options& o) {
  app.add_option("--config", o.config, "A YAML file, or one of the shipped configs")
      ->type_name("C")
      ->capture_default_str();
  app.add_option("--set", o.set, "One setting over the config's; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--model", o.model, "cnn-audio, cnn-spec or cnn-comb")
      ->type_name("M")
      ->capture_default_str();
  app.add_option("--batch", o.batch, "Examples a step; 0: the config's")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--steps", o.steps, "Steps to time")->type_name("N")->capture_default_str();
  app.add_option("--json", o.json, "Write the table as JSON")->type_name("FILE");
  app.add_option("--trace", o.trace, "Write every range for Perfetto (ui.perfetto.dev)")
      ->type_name("FILE");
  add_device_options(app, o.device);
}

void work(const Options& o) {
  if (o.steps < 1) fail_usage("--steps {}: at least 1", o.steps);
  if (o.batch < 0) fail_usage("--batch {}: at least 1, or 0 for the config's", o.batch);
  const Config config = load_config(o.config, o.set);
  const ModelKind kind = model_kind(o.model);
  const auto backend = select_backend(o.device.device, o.device.threads);
  backend->set_numerics({config.precision, config.deterministic});
  const Roofline roofline = measure_roofline(*backend);
  const Profile profile =
      profile_step(*backend, config, kind, o.batch > 0 ? o.batch : config.batch, o.steps, roofline);
  fmt::print("{}", profile.table());
  if (!o.json.empty()) write_file(o.json, profile.to_json().dump(1) + "\n");
  if (!o.trace.empty()) write_file(o.trace, profile.to_trace().dump() + "\n");
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  CLI::App app(earshot::kDescription, "profile");
  earshot::Options options;
  earshot::add_options(app, options);
  return earshot::run_program(app, argc, argv, [&] { earshot::work(options); });
}
