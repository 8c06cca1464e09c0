#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>

#include "benchmarks/case_file.h"
#include "benchmarks/worker.h"
#include "data/classes.h"
#include "data/draw.h"
#include "data/recording.h"
#include "engine/select_backend.h"
#include "kernels/philox.h"
#include "models/scoring.h"
#include "tools/device_options.h"

namespace earshot {
namespace {

struct Options {
  std::string config = "paper-2s", model = "cnn-audio", save;
  std::vector<std::string> set;
  fs::path run;
  int64_t clips = 4, seconds = 10;
  DeviceOptions device;
};

/// Noise of falling level, as int16.
std::vector<int16_t> sound(int64_t clip, int64_t seconds) {
  std::vector<int16_t> samples(static_cast<size_t>(seconds * kSampleRate));
  Random random(13, Purpose::kAugment, static_cast<uint32_t>(clip), 0);
  const auto length = static_cast<double>(samples.size());
  for (size_t t = 0; t < samples.size(); ++t)
    samples[t] = static_cast<int16_t>(std::lround(20000 * (2 * random.uniform() - 1) *
                                                  std::pow(10.0, -2.0 * double(t) / length)));
  return samples;
}

/// A run of one fold with initial weights, as train would leave it.
ScoringRequest make_run(Backend& backend, const Options& o, const Config& config, CaseFile& file) {
  const ModelKind kind = model_kind(o.model);
  RunInfo info{config, {}, {}, "", ""};
  for (const std::string_view name : kFsdClasses) info.classes.emplace_back(name);
  Tagger tagger(backend, config, kind, static_cast<int>(info.classes.size()), /*trained=*/true);
  tagger.initialise(config.seed);
  const RunPaths paths{o.run};
  fs::create_directories(paths.model(0, kind));
  const Tagger::Snapshots snapshots = tagger.snapshot();
  write_safetensors(paths.best(0, kind), tagger.tensors(snapshots),
                    checkpoint_metadata(info, kind, 0));
  file.describe(tagger, config.scoring.batch);
  file.add_weights(tagger);
  return {backend, paths, info, {{kind, {0}}}};
}

/// The clips as a rival that has them decoded gets them.
void save(const Options& o, const ScoringRequest& request, const ClipSource& source,
          const std::vector<int64_t>& which, CaseFile& file) {
  LogMel extractor(log_mel_settings({}));
  for (const int64_t clip : which) {
    const std::vector<int16_t> samples = sound(clip, o.seconds);
    ClipMel mel = compute_log_mel(extractor, samples);
    std::vector<float> wave;
    for (const int16_t s : samples) wave.push_back(static_cast<float>(s) / 32768.0f);
    const auto length = static_cast<int64_t>(wave.size());
    file.add(fmt::format("wave.{}", clip), {length}, std::move(wave));
    file.add(fmt::format("mel.{}", clip), {mel_frames(length), kMelBands}, std::move(mel.values));
  }
  std::vector<float> rows;
  const auto scores = score_clips(request, source, which);
  for (const ClipScore& score : scores.front())
    rows.insert(rows.end(), score.log_probabilities.begin(), score.log_probabilities.end());
  file.add("output.log_probabilities", {o.clips, static_cast<int64_t>(request.info.classes.size())},
           std::move(rows));
  file.write(o.save);
}

void work(const Options& o) {
  const Config config = load_config(o.config, o.set);
  const auto backend = select_backend(o.device.device, o.device.threads);
  CaseFile file;
  const ScoringRequest request = make_run(*backend, o, config, file);
  ClipSource source{FeatureSettings{}};
  std::vector<int64_t> which;
  int64_t crops = 0;
  for (int64_t i = 0; i < o.clips; ++i) {
    source.add(sound(i, o.seconds));
    which.push_back(i);
    crops +=
        static_cast<int64_t>(scoring_positions(source.lengths()[i], window_samples(config.seconds),
                                               config.scoring.step, config.scoring.align_end)
                                 .size());
  }
  source.place_on(*backend);
  if (!o.save.empty()) save(o, request, source, which, file);
  file = {};
  serve({{"device", backend->name()}, {"clips", o.clips}, {"crops", crops}},
        [&] { score_clips(request, source, which); });
}

}  // namespace

void add_scoring_worker(CLI::App& app, std::function<void()>& chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* sub =
      app.add_subcommand("scoring", "Scores clips at the paper's many crops, initial weights");
  sub->add_option("--config", o->config, "A YAML file, or one of the shipped configs")
      ->type_name("C")
      ->capture_default_str();
  sub->add_option("--set", o->set, "One setting over the config's; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  sub->add_option("--model", o->model, "cnn-audio, cnn-spec or cnn-comb")
      ->type_name("M")
      ->capture_default_str();
  sub->add_option("--run", o->run, "Folder for the weights")->type_name("DIR")->required();
  sub->add_option("--clips", o->clips, "Clips in a repetition")
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--seconds", o->seconds, "Length of each")->type_name("S")->capture_default_str();
  sub->add_option("--save", o->save, "Write weights, clips and scores here (safetensors)")
      ->type_name("FILE");
  add_device_options(*sub, o->device);
  sub->callback([o, &chosen] { chosen = [o] { work(*o); }; });
}

}  // namespace earshot
