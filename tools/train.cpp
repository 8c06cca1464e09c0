// Trains the three networks of the paper, phase by phase and fold by fold.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>

#include "data/classes.h"
#include "engine/error.h"
#include "engine/select_backend.h"
#include "models/lockstep.h"
#include "models/step_profile.h"
#include "models/trainer.h"
#include "tools/device_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

constexpr const char* kDescription =
    R"(Trains cnn-audio, cnn-spec and cnn-comb on a clip store that prepare made, in the paper's three
phases, fold by fold. The run in --out holds the weights (fold-<f>/<model>/best.safetensors), the
resolved config, log.jsonl with every epoch and TensorBoard events.

Ctrl-C, SIGTERM and SIGUSR1 (a cluster taking its machine back) write a checkpoint and stop with
status 75; the same call with --resume goes on, bit for bit. Exit status: 0 done, 1 the work failed,
2 the call was wrong, 75 stopped by a signal, queue it again.

Example: train --config quickstart --data my-store --out runs/mine --set cnn-spec.epochs=40)";

struct Options {
  std::string config = "paper-2s", data, out, profile_steps;
  std::vector<std::string> set, models;
  std::string on_nan = "stop";
  bool resume = false, dry_run = false, eager = false;
  int64_t lockstep = 0;
  std::optional<bool> deterministic;
  DeviceOptions device;
};

void add_options(CLI::App& app, Options& o) {
  app.add_option("--config", o.config,
                 "A YAML file, or one of better, paper-1s, paper-2s, paper-3s, quickstart")
      ->type_name("C")
      ->capture_default_str();
  app.add_option("--data", o.data, "Clip store that prepare made")->type_name("DIR");
  app.add_option("--out", o.out, "Folder of the run")->type_name("DIR");
  app.add_flag("--resume", o.resume, "Continue the run in --out, bit for bit");
  app.add_option(
         "--on-nan", o.on_nan,
         "NaN or infinite loss or gradient: stop with the state before it, or skip its batch")
      ->check(CLI::IsMember({"stop", "skip"}))
      ->type_name("A")
      ->capture_default_str();
  app.add_option("--set", o.set,
                 "One setting over the config's; may be repeated; all keys are below")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_option("--models", o.models, "Phases to train; default: cnn-audio,cnn-spec,cnn-comb")
      ->delimiter(',')
      ->type_name("M");
  app.add_flag("--deterministic,!--no-deterministic", o.deterministic,
               "Sets the key of this name, below")
      ->take_last();
  add_device_options(app, o.device);
  app.add_flag("--eager", o.eager,
               "On a GPU: enqueue each step anew instead of replaying it; the same bits, slower");
  app.add_option("--lockstep", o.lockstep,
                 "Repeat the first N steps of each phase by oneDNN and compare every tensor")
      ->check(CLI::Range(1, 1000000))
      ->type_name("N");
  app.add_option("--profile-steps", o.profile_steps,
                 "Start the profiler before step A of this call and stop it behind step B")
      ->type_name("A:B");
  app.add_flag("--dry-run", o.dry_run,
               "Print the memory plan and the work per step of each phase, and stop");
}

void work(const Options& o) {
  std::vector<std::string> set = o.set;
  if (o.deterministic)
    set.push_back(*o.deterministic ? "deterministic=true" : "deterministic=false");
  const Config config = load_config(o.config, set);
  std::unique_ptr<StepProfile> profile;
  if (!o.profile_steps.empty()) profile = std::make_unique<StepProfile>(o.profile_steps);
  if (o.dry_run) {
    const size_t classes =
        o.data.empty() ? kFsdClasses.size() : Store(o.data).index().classes.size();
    const auto backend = select_backend(o.device.device, o.device.threads);
    std::cout << describe_training(*backend, config, static_cast<int>(classes));
    return;
  }
  if (o.data.empty()) fail_usage("--data is missing: the folder of a clip store");
  if (o.out.empty()) fail_usage("--out is missing: the folder of the run");
  const std::atomic<bool>& stop = stop_on_signals();
  const Store store(o.data);
  const auto backend = select_backend(o.device.device, o.device.threads);
  TrainRequest request{
      *backend,
      store,
      {config, store.index().features, store.index().classes, o.data, store.index().fingerprint},
      {o.out},
      o.resume,
      {},
      &stop,
      o.eager};
  request.profile = profile.get();
  if (o.on_nan == "skip") request.on_not_finite = OnNotFinite::kSkip;
  for (const std::string& word : o.models) request.kinds.push_back(model_kind(word));
  std::unique_ptr<Backend> cpu;
  std::unique_ptr<Lockstep> lockstep;
  if (o.lockstep > 0 && profile) fail_usage("--lockstep: not with --profile-steps");
  if (o.lockstep > 0) {
    cpu = make_cpu_backend(o.device.threads);
    lockstep = std::make_unique<Lockstep>(*cpu, store, config, o.lockstep);
    request.observer = lockstep.get();
  }
  if (train(request) == TrainOutcome::kInterrupted)
    throw Stopped{
        "stopped by a signal; the checkpoint is written, the same call with --resume goes on"};
  spdlog::info("done: {}", o.out);
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  CLI::App app(earshot::kDescription, "train");
  app.footer("Keys of the config with their defaults, the paper's recipe:\n" +
             earshot::config_help());
  earshot::Options options;
  earshot::add_options(app, options);
  return earshot::run_program(app, argc, argv, [&] { earshot::work(options); });
}
