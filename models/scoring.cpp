#include "models/scoring.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "data/draw.h"
#include "engine/console.h"
#include "models/fold_scorer.h"

namespace earshot {
namespace {

/// Of the clips' lines at once: long clips go in several pieces.
constexpr int64_t kGroupSamples = 1 << 21;

/// Sums of log-softmax over some crops of one clip, for every model.
struct Row {
  size_t clip;         // in `which`
  int64_t start, end;  // samples of the clip
  int64_t crops;
  std::vector<double> sums;  // [model][class]
};

std::vector<float> normalised(const double* sums, size_t classes, double scale) {
  const double largest = *std::max_element(sums, sums + classes) * scale;
  double total = 0;
  for (size_t c = 0; c < classes; ++c) total += std::exp(sums[c] * scale - largest);
  std::vector<float> out;
  for (size_t c = 0; c < classes; ++c)
    out.push_back(static_cast<float>(sums[c] * scale - largest - std::log(total)));
  return out;
}

class CropRows {
 public:
  CropRows(const ScoringRequest& request, const ClipSource& source,
           const std::vector<int64_t>& which)
      : request_(request), clips_(which.size()) {
    const ScoringSettings& s = request.info.config.scoring;
    const int64_t window = window_samples(request.info.config.seconds);
    for (size_t k = 0; k < which.size(); ++k) {
      const int64_t length = source.lengths()[which[k]];
      const bool split = request.timeline && length >= window;
      const size_t first = rows_.size();
      for (const int64_t position : scoring_positions(length, window, s.step, s.align_end)) {
        crops_.push_back({which[k], -position});
        if (split || rows_.size() == first) {
          const int64_t start = std::max<int64_t>(-position, 0);
          rows_.push_back({k, start, std::min(start + window, length), 0,
                           std::vector<double>(request.models.size() * classes())});
        }
        ++rows_.back().crops;
        row_of_.push_back(rows_.size() - 1);
      }
    }
  }

  const std::vector<Crop>& crops() const { return crops_; }

  void add(size_t model, int64_t first, int64_t n, const float* log_p) {
    for (int64_t i = 0; i < n; ++i) {
      double* sums = &rows_[row_of_[first + i]].sums[model * classes()];
      for (size_t c = 0; c < classes(); ++c) sums[c] += log_p[i * classes() + c];
    }
  }

  std::vector<ClipScore> of(size_t model) const {
    std::vector<ClipScore> scores(clips_);
    const auto folds = static_cast<double>(request_.models[model].folds.size());
    for (size_t first = 0, last = 0; first < rows_.size(); first = last) {
      std::vector<double> sums(classes());
      int64_t crops = 0;
      ClipScore& score = scores[rows_[first].clip];
      for (; last < rows_.size() && rows_[last].clip == rows_[first].clip; ++last) {
        const Row& row = rows_[last];
        const double* part = &row.sums[model * classes()];
        for (size_t c = 0; c < classes(); ++c) sums[c] += part[c];
        crops += row.crops;
        if (request_.timeline)
          score.crops.push_back(
              {static_cast<double>(row.start) / kSampleRate,
               static_cast<double>(row.end) / kSampleRate,
               normalised(part, classes(), 1 / (folds * static_cast<double>(row.crops)))});
      }
      score.log_probabilities =
          normalised(sums.data(), classes(), 1 / (folds * static_cast<double>(crops)));
    }
    return scores;
  }

 private:
  size_t classes() const { return request_.info.classes.size(); }
  const ScoringRequest& request_;
  size_t clips_;
  std::vector<Crop> crops_;
  std::vector<size_t> row_of_;  // of each crop
  std::vector<Row> rows_;       // those of a clip together
};

std::string names(const std::vector<ScoredModel>& models) {
  std::string text;
  for (const ScoredModel& m : models)
    text += (text.empty() ? "" : ", ") + std::string(to_string(m.kind));
  return text;
}

}  // namespace

std::vector<std::vector<ClipScore>> score_clips(const ScoringRequest& request,
                                                const ClipSource& source,
                                                const std::vector<int64_t>& which) {
  std::set<int> folds;
  size_t networks = 0;
  for (const ScoredModel& model : request.models) {
    if (model.folds.empty()) fail("no trained fold of {} to score with", to_string(model.kind));
    folds.insert(model.folds.begin(), model.folds.end());
    networks += model.folds.size();
  }
  CropRows scores(request, source, which);
  const auto& crops = scores.crops();
  const Config& config = request.info.config;
  const auto groups =
      group_crops(crops, window_samples(config.seconds), config.scoring.batch, kGroupSamples);
  Progress progress("scoring " + names(request.models),
                    static_cast<int64_t>(crops.size() * networks), "crops");
  for (const int fold : folds)
    FoldScorer(request, fold, crops, groups)
        .run(
            source,
            [&](size_t model, int64_t first, int64_t n, const float* log_p) {
              scores.add(model, first, n, log_p);
            },
            [&](int64_t n) { progress.advance(n); });
  std::vector<std::vector<ClipScore>> out;
  for (size_t m = 0; m < request.models.size(); ++m) out.push_back(scores.of(m));
  return out;
}

}  // namespace earshot
