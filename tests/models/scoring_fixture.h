// A run on disk with random networks, random clips, and scoring of each crop by itself: what the
// scoring with shared work must equal.
#pragma once

#include "data/draw.h"
#include "models/scoring.h"
#include "tests/models/pass_fixture.h"
#include "tests/reference/compare.h"

namespace earshot {

/// Networks of the kinds and folds of a request, each with random tensors; cnn-comb's trunks are
/// the single networks', or with `own_trunks` its own.
class RandomRun {
 public:
  RandomRun(Backend& backend, const Config& config, bool own_trunks = false)
      : backend_(backend), info_{config, {}, {"a", "b", "c", "d", "e"}, "store", "print"} {
    for (int fold = 0; fold < 2; ++fold)
      for (const ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb})
        write(fold, kind, own_trunks);
  }
  const RunInfo& info() const { return info_; }
  RunPaths paths() const { return {scratch_.path()}; }
  ScoringRequest request(std::vector<ScoredModel> models) const {
    return {backend_, paths(), info_, std::move(models)};
  }

 private:
  void write(int fold, ModelKind kind, bool own_trunks) {
    Tagger tagger(backend_, info_.config, kind, kClasses, /*trained=*/true);
    randomise(tagger, static_cast<uint32_t>(10000 * (fold + 1) + 1000 * int(kind)));
    if (kind == ModelKind::kComb && !own_trunks)
      for (const ModelKind trunk : {ModelKind::kAudio, ModelKind::kSpec})
        tagger.load_trunk(trunk, SafetensorsFile(paths().best(fold, trunk)));
    fs::create_directories(paths().model(fold, kind));
    const Tagger::Snapshots snapshots = tagger.snapshot();
    write_safetensors(paths().best(fold, kind), tagger.tensors(snapshots),
                      checkpoint_metadata(info_, kind, fold));
  }
  Backend& backend_;
  Scratch scratch_;
  RunInfo info_;
};

/// Clips of random samples with the given lengths, as a run of this config has them.
inline ClipSource random_clips(const std::vector<int64_t>& lengths, Backend& backend,
                               const Config& config = {}) {
  ClipSource source{FeatureSettings{}};
  for (size_t i = 0; i < lengths.size(); ++i) {
    std::vector<int16_t> samples;
    for (const float x : random_values(lengths[i], static_cast<uint32_t>(900 + i), -12000, 12000))
      samples.push_back(static_cast<int16_t>(x));
    source.add(std::move(samples));
  }
  source.resize_clips(config);
  source.place_on(backend);
  return source;
}

/// One network, one crop after the other.
class NaiveScorer {
 public:
  NaiveScorer(const ScoringRequest& request, ModelKind kind, int fold)
      : request_(request),
        tagger_(request.backend, request.info.config, kind, kClasses, /*trained=*/false),
        pass_(tagger_, /*training=*/false, {1}),
        memory_(request.backend.allocate(pass_.arena().bytes(), "test arena")) {
    tagger_.load(SafetensorsFile(request.paths.best(fold, kind)));
    pass_.bind(memory_.data());
  }

  /// Log-softmax of the crops of a clip, [crop][class].
  std::vector<std::vector<float>> rows(const ClipSource& source, int64_t clip) {
    const Config& config = request_.info.config;
    std::vector<std::vector<float>> rows;
    for (const int64_t position :
         scoring_positions(source.lengths()[clip], window_samples(config.seconds),
                           config.scoring.step, config.scoring.align_end)) {
      GatherPlan plan;
      fixed_placement(clip, position, plan);
      end_example(plan);
      pass_.upload({plan.view(), {}, {}, {}});
      source.assemble(pass_, tagger_, plan.examples(), request_.zero);
      request_.backend.log_softmax(pass_.forward(1, {}), pass_.log_probabilities(1));
      request_.backend.copy_to_host(rows.emplace_back(kClasses).data(), pass_.log_probabilities(1));
    }
    return rows;
  }

 private:
  const ScoringRequest& request_;
  Tagger tagger_;
  TaggerPass pass_;
  DeviceMemory memory_;
};

/// Mean over rows of all folds, normalised; in double.
inline std::vector<double> naive_mean(const std::vector<std::vector<float>>& rows) {
  std::vector<double> mean(kClasses);
  for (const auto& row : rows)
    for (int c = 0; c < kClasses; ++c) mean[c] += row[c] / static_cast<double>(rows.size());
  double total = 0;
  for (const double x : mean) total += std::exp(x);
  for (double& x : mean) x -= std::log(total);
  return mean;
}

}  // namespace earshot
