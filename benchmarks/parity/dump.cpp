// bench_parity: trains with the trainer itself and writes down all that another framework needs to
// train on exactly the same: initial weights, then every batch with our losses.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>

#include "data/store.h"
#include "engine/error.h"
#include "engine/select_backend.h"
#include "models/phase.h"
#include "tools/device_options.h"
#include "tools/program.h"

namespace earshot {
namespace {

constexpr const char* kDescription =
    R"(Trains one network for some steps and writes into OUT, as safetensors:
  initial.safetensors   a checkpoint of the weights before the first step
  step-0001.safetensors wave, mel (where the network takes them), targets, class_weights, and our
                        loss [n] of this step; and so on, one file a step
  before-0010.safetensors, gradients-0010.safetensors  every tenth step: a checkpoint of the weights
                        before the step, and in the form of a checkpoint the gradients it found
  final.safetensors     a checkpoint after the last step, with the inputs of the last batch as
                        "example.wave", "example.mel" and its logits in inference, "example.logits"
cnn-comb first trains its trunks to their end, by the same config.)";

struct Options {
  std::string config = "quickstart", data, out, model = "cnn-spec";
  std::vector<std::string> set;
  int64_t steps = 200;
  DeviceOptions device;
};

void add_options(CLI::App& app, Options& o) {
  app.add_option("--data", o.data, "Clip store that prepare made")->type_name("DIR")->required();
  app.add_option("--out", o.out, "New folder for the run and the files")->required();
  app.add_option("--config", o.config, "As for train")->capture_default_str();
  app.add_option("--set", o.set, "As for train")->type_name("KEY=VALUE")->allow_extra_args(false);
  app.add_option("--model", o.model, "cnn-audio, cnn-spec or cnn-comb")->capture_default_str();
  app.add_option("--steps", o.steps, "Steps to write down")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  add_device_options(app, o.device);
}

std::vector<int64_t> file_shape(const Shape& s) {
  if (s.h == 1 && s.w == 1) return {s.n, s.c};
  return s.h == 1 ? std::vector<int64_t>{s.n, s.w} : std::vector<int64_t>{s.n, s.h, s.w};
}

/// Tensors of a device on their way into a file.
class Tensors {
 public:
  explicit Tensors(Backend& backend) : backend_(backend) {}
  void add(const std::string& name, const Tensor& t) {
    auto values = std::make_unique<std::vector<float>>(t.shape.count());
    backend_.copy_to_host(values->data(), t);
    entries_.push_back({name, SafetensorsType::kF32, file_shape(t.shape),
                        std::as_bytes(std::span<const float>(*values))});
    kept_.push_back(std::move(values));
  }
  void add_inputs(const std::string& prefix, const Tagger& tagger, const TaggerPass& pass,
                  int64_t n) {
    if (tagger.has_audio()) add(prefix + "wave", pass.wave(n));
    if (tagger.has_spec()) add(prefix + "mel", pass.mel(n));
  }
  std::vector<SafetensorsEntry>& entries() { return entries_; }

 private:
  Backend& backend_;
  std::vector<SafetensorsEntry> entries_;
  std::vector<std::unique_ptr<std::vector<float>>> kept_;
};

class Dump : public StepObserver {
 public:
  Dump(const Options& options, Backend& backend, const RunInfo& info, std::atomic<bool>& stop)
      : options_(options), backend_(backend), info_(info), stop_(stop) {}

  void on_start(const Tagger& tagger) override {
    if (tagger.kind() != model_kind(options_.model)) return;
    Tensors none(backend_);
    write_checkpoint("initial", tagger, none);
  }
  void on_step(const ObservedStep& step) override {
    if (step.tagger.kind() != model_kind(options_.model)) return;
    Tensors tensors(backend_);
    const int64_t n = step.batch.size();
    tensors.add_inputs("", step.tagger, step.pass, n);
    tensors.add("targets", step.pass.targets(n));
    tensors.add("class_weights", step.pass.class_weights());
    tensors.add("loss", step.pass.loss(n));
    write_safetensors(path(fmt::format("step-{:04}", step.step)), tensors.entries(), {});
    Tensors none(backend_);
    if (step.step % kEvery == 0) write_gradients(step);
    if (step.step % kEvery == kEvery - 1)
      write_checkpoint(fmt::format("before-{:04}", step.step + 1), step.tagger, none);
    if (step.step == options_.steps) stop_ = true;
  }

  /// The weights after the last step, and what they make of its batch in inference.
  void finish(const RunPaths& paths) {
    const ModelKind kind = model_kind(options_.model);
    const SafetensorsFile last(paths.last(0, kind));
    Tagger tagger(backend_, info_.config, kind, static_cast<int>(info_.classes.size()), false);
    tagger.load(last);
    const SafetensorsFile batch(path(fmt::format("step-{:04}", options_.steps)));
    const int64_t n = batch.find("targets")->shape.front();
    TaggerPass pass(tagger, /*training=*/false, {n});
    const DeviceMemory memory = backend_.allocate(pass.arena().bytes(), "the example's arena");
    pass.bind(memory.data());
    if (tagger.has_audio()) backend_.copy_to_device(pass.wave(n), batch.find("wave")->bytes.data());
    if (tagger.has_spec()) backend_.copy_to_device(pass.mel(n), batch.find("mel")->bytes.data());
    Tensors tensors(backend_);
    tensors.add_inputs("example.", tagger, pass, n);
    tensors.add("example.logits", pass.forward(n, {Mode::kInference}));
    write_checkpoint("final", tagger, tensors);
  }

 private:
  static constexpr int64_t kEvery = 10;  // steps between those that are written with gradients
  void write_gradients(const ObservedStep& step) const {
    Tagger::Snapshots snapshots = step.tagger.snapshot();
    backend_.copy_to_host(snapshots.back().values.data(), step.tagger.trainable().gradients());
    write_safetensors(path(fmt::format("gradients-{:04}", step.step)),
                      step.tagger.tensors(snapshots),
                      checkpoint_metadata(info_, step.tagger.kind(), 0));
  }
  fs::path path(const std::string& name) const {
    return fs::path(options_.out) / (name + ".safetensors");
  }
  void write_checkpoint(const std::string& name, const Tagger& tagger, Tensors& more) const {
    const Tagger::Snapshots snapshots = tagger.snapshot();
    std::vector<SafetensorsEntry> all = tagger.tensors(snapshots);
    all.insert(all.end(), more.entries().begin(), more.entries().end());
    write_safetensors(path(name), all, checkpoint_metadata(info_, tagger.kind(), 0));
  }
  const Options& options_;
  Backend& backend_;
  const RunInfo& info_;
  std::atomic<bool>& stop_;
};

void work(const Options& o) {
  const Store store(o.data);
  std::vector<std::string> set = o.set;
  set.push_back("folds.run=[0]");
  const StoreIndex& index = store.index();
  const RunInfo info{load_config(o.config, set), index.features, index.classes, o.data,
                     index.fingerprint};
  const auto backend = select_backend(o.device.device, o.device.threads);
  const RunPaths paths{fs::path(o.out) / "run"};
  std::atomic<bool> stop = false;
  Dump dump(o, *backend, info, stop);
  TrainRequest request{*backend, store, info, paths, /*resume=*/false, {}, &stop};
  request.observer = &dump;
  if (model_kind(o.model) != ModelKind::kComb) request.kinds = {model_kind(o.model)};
  fs::create_directories(o.out);
  if (train(request) == TrainOutcome::kFinished && !stop)
    fail("the config's epochs end before step {}; give it more, or fewer --steps", o.steps);
  dump.finish(paths);
}

}  // namespace
}  // namespace earshot

int main(int argc, char** argv) {
  CLI::App app(earshot::kDescription, "bench_parity");
  earshot::Options options;
  earshot::add_options(app, options);
  return earshot::run_program(app, argc, argv, [&] { earshot::work(options); });
}
