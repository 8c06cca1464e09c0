#include <CLI/CLI.hpp>
#include <memory>

#include "benchmarks/case_file.h"
#include "benchmarks/worker.h"
#include "engine/select_backend.h"
#include "models/step_case.h"
#include "tools/device_options.h"

namespace earshot {
namespace {

struct Options {
  std::string config = "paper-2s", model = "cnn-audio", save;
  std::vector<std::string> set;
  int64_t batch = 0;
  DeviceOptions device;
};

/// Weights and inputs, then logits, losses and gradients of the first step.
void save(StepCase& step, const fs::path& path) {
  const Tagger& tagger = step.tagger();
  TaggerPass& pass = step.pass();
  Backend& backend = step.backend();
  const int64_t n = step.batch();
  CaseFile file;
  file.describe(tagger, n);
  file.add_weights(tagger);
  file.add(backend, "input.targets", pass.targets(n));
  file.add(backend, "input.class_weights", pass.class_weights());
  if (pass.has_wave()) file.add(backend, "input.wave", pass.wave(n));
  if (tagger.has_spec()) file.add(backend, "input.mel", pass.mel(n));
  file.add(backend, "output.logits", step.forward());
  file.add(backend, "output.loss", pass.loss(n));
  step.backward();
  const Parameters& p = tagger.trainable();
  const char* prefix = tagger.kind() == ModelKind::kComb ? "head." : "";
  for (size_t i = 0; i < p.entries().size(); ++i) {
    const Parameters::Entry& e = p.entries()[i];
    if (e.kind == Parameters::Kind::kTrainable)
      file.add(backend, fmt::format("gradient.{}{}", prefix, e.name),
               p.gradient(static_cast<int>(i)));
  }
  file.write(path);
}

void work(const Options& o) {
  const Config config = load_config(o.config, o.set);
  const auto backend = select_backend(o.device.device, o.device.threads);
  const int64_t idle = peak_resident_bytes();
  StepCase step(*backend, config, model_kind(o.model), o.batch > 0 ? o.batch : config.batch);
  if (!o.save.empty()) save(step, o.save);
  double flops = 0;
  for (const LayerWork& layer : step.pass().work(step.batch()))
    flops += layer.forward.dense_flops + layer.backward.dense_flops;
  serve({{"model", o.model},
         {"input_seconds", config.seconds},
         {"batch", step.batch()},
         {"device", backend->name()},
         {"description", backend->description()},
         {"idle_bytes", idle},
         {"planned_bytes", step.bytes()},
         {"arena_bytes", step.pass().arena().bytes()},
         {"dense_flops", flops}},
        [&] { step.run(); });
}

}  // namespace

void add_step_worker(CLI::App& app, std::function<void()>& chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "step", "Training steps of one network on random inputs: forward, loss, backward, Adam");
  sub->add_option("--config", o->config, "A YAML file, or one of the shipped configs")
      ->type_name("C")
      ->capture_default_str();
  sub->add_option("--set", o->set, "One setting over the config's; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  sub->add_option("--model", o->model, "cnn-audio, cnn-spec or cnn-comb")
      ->type_name("M")
      ->capture_default_str();
  sub->add_option("--batch", o->batch, "Examples a step; 0: the config's")
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--save", o->save, "Write weights, inputs and first outputs here (safetensors)")
      ->type_name("FILE");
  add_device_options(*sub, o->device);
  sub->callback([o, &chosen] { chosen = [o] { work(*o); }; });
}

}  // namespace earshot
