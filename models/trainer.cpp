#include "models/trainer.h"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <thread>

#include "data/folds.h"
#include "engine/error.h"
#include "models/phase.h"

namespace earshot {
namespace {

const std::vector<ModelKind> kAllKinds = {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb};

std::vector<int> folds_to_run(const Config& config) {
  if (!config.folds.run.empty()) return config.folds.run;
  std::vector<int> all(static_cast<size_t>(config.folds.count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

/// Phases that already have a checkpoint, with the step it stands at.
std::map<std::pair<int, ModelKind>, PhaseState> read_states(const TrainRequest& request,
                                                            const std::vector<ModelKind>& kinds) {
  std::map<std::pair<int, ModelKind>, PhaseState> states;
  for (const int fold : folds_to_run(request.info.config))
    for (const ModelKind kind : kinds) {
      const fs::path last = request.paths.last(fold, kind);
      if (!fs::exists(last)) continue;
      const SafetensorsFile file(last);
      check_checkpoint(file, kind);
      states[{fold, kind}] = PhaseState::from_metadata(file);
    }
  return states;
}

void warn_of_small_classes(const StoreIndex& index, const std::vector<bool>& use, int folds) {
  std::vector<int> counts(index.classes.size(), 0);
  for (size_t i = 0; i < use.size(); ++i)
    if (use[i]) ++counts[index.clips[i].label];
  constexpr int kMostNamed = 5;
  int small = 0;
  for (size_t c = 0; c < counts.size(); ++c)
    if (counts[c] < folds && ++small <= kMostNamed)
      spdlog::warn("class {} has {} training clips for {} folds: some folds validate without it",
                   index.classes[c], counts[c], folds);
  if (small > kMostNamed) spdlog::warn("so it is with {} more classes", small - kMostNamed);
}

}  // namespace

std::vector<bool> trainable_clips(const StoreIndex& index, const Config& config) {
  std::vector<bool> use;
  for (const Clip& clip : index.clips)
    use.push_back(clip.split == Split::kTrain && clip.label >= 0 && clip.samples > 0 &&
                  (clip.manually_verified || !config.verified_only));
  return use;
}

TrainOutcome train(const TrainRequest& request) {
  const Config& config = request.info.config;
  const std::vector<ModelKind> kinds = request.kinds.empty() ? kAllKinds : request.kinds;
  const std::vector<bool> use = trainable_clips(request.store.index(), config);
  const std::vector<int> fold_of = stratified_folds(
      request.store.index(), use, {config.folds.count, config.folds.seed, config.folds.by_group});
  warn_of_small_classes(request.store.index(), use, config.folds.count);

  request.store.verify(request.stop);  // also brings it into memory, in order
  if (request.stop && request.stop->load()) return TrainOutcome::kInterrupted;
  make_run_folder(request.paths);
  const FolderLock lock(request.paths.root);
  open_run(request.paths, request.info, request.resume);
  request.backend.keep_plans(request.paths.plans());
  const auto states = read_states(request, kAllKinds);
  std::vector<Progressed> progressed;
  progressed.reserve(states.size());
  for (const auto& [key, state] : states)
    progressed.push_back({key.second, key.first, state.step, state.epoch});
  RunLog log(request.paths, progressed);
  ClipSource source(request.store);
  source.resize_clips(config);
  for (const int fold : folds_to_run(config))
    for (const ModelKind kind : kinds) {
      const auto state = states.find({fold, kind});
      if (state != states.end() && state->second.done) continue;
      try {
        Phase phase(request, source, fold_of, kind, fold);
        if (phase.run(log) == TrainOutcome::kInterrupted) return TrainOutcome::kInterrupted;
      } catch (const DeviceError& error) {
        fail("{}; what {} fold {} has saved is kept: go on with --resume, or --resume --device cpu",
             error.what(), to_string(kind), fold);
      }
    }
  return TrainOutcome::kFinished;
}

namespace {

/// Bytes that this process's heap has from the system, among them such as are free again.
int64_t heap_bytes() {
  const struct mallinfo2 info = ::mallinfo2();
  return static_cast<int64_t>(info.arena + info.hblkhd);
}

/// The program, its libraries, generated code, what logs, checkpoints and crops hold: measured 63
/// to 112 MB with two threads as RLIMIT_DATA counts, here with room to spare; and a stack a core.
int64_t program_bytes() {
  constexpr int64_t kProgram = 192'000'000, kStack = int64_t{8} << 20;
  return kProgram + kStack * static_cast<int64_t>(std::thread::hardware_concurrency());
}

std::string describe_work(const TaggerPass& pass, int64_t batch) {
  std::string text =
      fmt::format("\n{:<28} {:>16} {:>16}\n", "layer", "forward GFLOP", "backward GFLOP");
  double forward = 0, backward = 0;
  for (const LayerWork& row : pass.work(batch)) {
    forward += row.forward.dense_flops;
    backward += row.backward.dense_flops;
    text += fmt::format("{:<28} {:>16.3f} {:>16.3f}\n", row.name, 1e-9 * row.forward.dense_flops,
                        1e-9 * row.backward.dense_flops);
  }
  return text + fmt::format("{:<28} {:>16.3f} {:>16.3f}   a step of {}\n", "total", 1e-9 * forward,
                            1e-9 * backward, batch);
}

}  // namespace

std::string describe_training(Backend& backend, const Config& config, int classes) {
  std::string text;
  // The last batch of an epoch is smaller and has plans of its own; a GPU's plans are small.
  std::vector<int64_t> batches = {config.batch};
  if (config.batch > 1 && !backend.has_own_memory()) batches.push_back(config.batch / 2);
  const int64_t before = heap_bytes();
  for (const ModelKind kind : kAllKinds) {
    Tagger tagger(backend, config, kind, classes, /*trained=*/true);
    const TaggerPass pass(tagger, /*training=*/true, batches);
    const TaggerPass validation(tagger, /*training=*/false, batches);
    int64_t plans = heap_bytes() - before;
    if (!backend.has_own_memory()) plans -= tagger.trainable().bytes();
    text += fmt::format("\n{}: {} trained parameters ({:.1f} MB with gradients and moments)\n\n",
                        to_string(kind), tagger.trainable().trainable_count(),
                        1e-6 * static_cast<double>(tagger.trainable().bytes()));
    text += pass.arena().table();
    text += fmt::format(
        "beside it {:.1f} MB for plans of convolutions (measured just now, those above included) "
        "and at most {:.0f} MB for the program (an estimate)\n",
        1e-6 * static_cast<double>(std::max<int64_t>(plans, 0)),
        1e-6 * static_cast<double>(program_bytes()));
    text += describe_work(pass, config.batch);
  }
  return text;
}

}  // namespace earshot
