#include "models/scoring.h"

#include <algorithm>
#include <cmath>

#include "data/draw.h"
#include "engine/console.h"
#include "engine/error.h"

namespace earshot {
namespace {

struct Crop {
  int64_t clip, position;
};

/// Log-softmax of every crop by one fold's network, handed to `use(crop index, row)`.
template <typename Use>
void run_crops(const ScoringRequest& request, int fold, const ClipSource& source,
               const std::vector<Crop>& crops, Progress& progress, const Use& use) {
  const int64_t batch = request.info.config.scoring.batch;
  const SafetensorsFile file(request.paths.best(fold, request.kind));
  check_checkpoint(file, request.kind);
  Tagger tagger(request.backend, request.info.config, request.kind,
                static_cast<int>(request.info.classes.size()), /*trained=*/false);
  tagger.load(file);
  const int64_t total = static_cast<int64_t>(crops.size());
  std::vector<int64_t> sizes{std::min(batch, total)};
  if (total > batch && total % batch != 0) sizes.push_back(total % batch);
  TaggerPass pass(tagger, /*training=*/false, sizes);
  const DeviceMemory memory = request.backend.allocate(pass.arena().bytes(), "the scoring arena");
  pass.bind(memory.data());
  const size_t classes = request.info.classes.size();
  for (int64_t first = 0; first < total; first += batch) {
    const int64_t n = std::min(batch, total - first);
    GatherPlan plan;
    for (int64_t i = first; i < first + n; ++i) {
      fixed_placement(crops[i].clip, crops[i].position, plan);
      end_example(plan);
    }
    source.fill(pass, tagger, plan, request.zero);
    const Tensor logits = pass.forward(n, {Mode::kInference, 0, 0});
    request.backend.log_softmax(logits, pass.log_probabilities(n));
    std::vector<float> rows(static_cast<size_t>(n) * classes);
    request.backend.copy_to_host(rows.data(), pass.log_probabilities(n));
    for (int64_t i = 0; i < n; ++i) use(static_cast<size_t>(first + i), &rows[i * classes]);
    progress.advance(n);
  }
}

std::vector<float> normalised(const std::vector<double>& sums) {
  const double largest = *std::max_element(sums.begin(), sums.end());
  double total = 0;
  for (const double x : sums) total += std::exp(x - largest);
  std::vector<float> out;
  for (const double x : sums) out.push_back(static_cast<float>(x - largest - std::log(total)));
  return out;
}

std::vector<int64_t> positions_of(const ScoringRequest& request, int64_t length) {
  const ScoringSettings& s = request.info.config.scoring;
  return scoring_positions(length, window_samples(request.info.config.seconds), s.step,
                           s.align_end);
}

}  // namespace

std::vector<std::vector<float>> score_clips(const ScoringRequest& request, const ClipSource& source,
                                            const std::vector<int64_t>& which) {
  if (request.folds.empty()) fail("no trained fold of {} to score with", to_string(request.kind));
  std::vector<Crop> crops;
  std::vector<size_t> row_of;
  std::vector<double> scale;  // 1 / (crops of the clip x folds)
  for (size_t k = 0; k < which.size(); ++k) {
    const auto positions = positions_of(request, source.lengths()[which[k]]);
    for (const int64_t position : positions) {
      crops.push_back({which[k], position});
      row_of.push_back(k);
    }
    scale.push_back(1.0 / static_cast<double>(positions.size() * request.folds.size()));
  }
  const size_t classes = request.info.classes.size();
  std::vector<std::vector<double>> sums(which.size(), std::vector<double>(classes, 0.0));
  Progress progress(fmt::format("scoring {}", to_string(request.kind)),
                    static_cast<int64_t>(crops.size() * request.folds.size()), "crops");
  for (const int fold : request.folds)
    run_crops(request, fold, source, crops, progress, [&](size_t crop, const float* row) {
      const size_t k = row_of[crop];
      for (size_t c = 0; c < classes; ++c) sums[k][c] += static_cast<double>(row[c]) * scale[k];
    });
  std::vector<std::vector<float>> out;
  for (const auto& sum : sums) out.push_back(normalised(sum));
  return out;
}

std::vector<CropScore> score_crops(const ScoringRequest& request, const ClipSource& source,
                                   int64_t clip) {
  if (request.folds.empty()) fail("no trained fold of {} to score with", to_string(request.kind));
  const int64_t length = source.lengths()[clip];
  const int64_t window = window_samples(request.info.config.seconds);
  std::vector<int64_t> positions = positions_of(request, length);
  if (length < window) positions.resize(1);  // shifts of a short clip cover the same seconds
  std::vector<Crop> crops;
  std::vector<CropScore> scores;
  for (const int64_t position : positions) {
    crops.push_back({clip, position});
    const int64_t start = std::max<int64_t>(-position, 0);
    scores.push_back({static_cast<double>(start) / kSampleRate,
                      static_cast<double>(std::min(start + window, length)) / kSampleRate,
                      {}});
  }
  const size_t classes = request.info.classes.size();
  std::vector<std::vector<double>> sums(crops.size(), std::vector<double>(classes, 0.0));
  Progress progress("timeline", static_cast<int64_t>(crops.size() * request.folds.size()), "crops");
  const double scale = 1.0 / static_cast<double>(request.folds.size());
  for (const int fold : request.folds)
    run_crops(request, fold, source, crops, progress, [&](size_t crop, const float* row) {
      for (size_t c = 0; c < classes; ++c) sums[crop][c] += scale * static_cast<double>(row[c]);
    });
  for (size_t i = 0; i < scores.size(); ++i) scores[i].log_probabilities = normalised(sums[i]);
  return scores;
}

}  // namespace earshot
