// The metric and class weights against scikit-learn; whole clips at many crops and two folds
// against librosa, Keras and SciPy's geometric mean.
#include "data/features.h"
#include "data/trim.h"
#include "models/metrics.h"
#include "models/phase.h"
#include "models/scoring.h"
#include "tests/golden/golden.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

TEST(Scores, MeanPrecisionWithTiesIsScikitLearns) {
  const golden::File file("metric");
  for (const std::string of : {"ties.", "equal.", "different."}) {
    const auto probabilities = file.floats(of + "probabilities");
    const auto labels = file.counts(of + "labels");
    const size_t classes = probabilities.size() / labels.size();
    double sum = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      const auto row = probabilities.begin() + static_cast<int64_t>(i * classes);
      sum += average_precision_at_3({row, row + static_cast<int64_t>(classes)},
                                    static_cast<int>(labels[i]));
    }
    EXPECT_NEAR(sum / static_cast<double>(labels.size()), file.values(of + "map3").front(), 1e-6)
        << of;
  }
}

TEST(Scores, ClassWeightsAreScikitLearns) {
  const golden::File file("class_weights");
  std::vector<int> labels;
  ClipSet set;
  for (const int64_t label : file.counts("labels")) {
    set.clips.push_back(static_cast<int64_t>(labels.size()));
    labels.push_back(static_cast<int>(label));
  }
  set.labels = labels;
  set.classes = 6;
  const auto expected = file.values("weights");
  std::vector<double> tolerance;
  for (const double w : expected) tolerance.push_back(2 * kUnit * w);
  expect_close(class_weights(set), expected, tolerance, "class weights");
}

RunInfo info() {
  RunInfo info;
  info.config.seconds = 1;
  info.config.width_audio = info.config.width_spec = 1.0 / 16;
  info.config.head.layers = {12, 9, 7};
  info.classes = {"a", "b", "c", "d", "e"};
  return info;
}

/// Writes the golden's weights as the two folds of a run.
void write_folds(const golden::File& file, const RunPaths& paths) {
  for (const int fold : {0, 1}) {
    std::vector<SafetensorsEntry> tensors;
    const std::string prefix = std::to_string(fold) + "/";
    for (SafetensorsEntry entry : file.file().tensors()) {
      if (!entry.name.starts_with(prefix)) continue;
      entry.name = entry.name.substr(prefix.size());
      tensors.push_back(entry);
    }
    fs::create_directories(paths.model(fold, ModelKind::kComb));
    write_safetensors(paths.best(fold, ModelKind::kComb), tensors,
                      checkpoint_metadata(info(), ModelKind::kComb, fold));
  }
}

/// The clips of scores.py, trimmed: single ones, many in a row, about a window of those.
std::vector<std::vector<int16_t>> whole_clips() {
  std::vector<std::vector<int16_t>> trimmed, out;
  std::vector<int16_t> row;
  for (const std::vector<float>& clip : golden::clips()) {
    const Kept kept = trim_silence(clip, 40.0);
    std::vector<int16_t> samples;
    for (int64_t i = kept.begin; i < kept.end; ++i)
      samples.push_back(static_cast<int16_t>(std::lround(clip[i] * 32768)));
    if (trimmed.size() < 12) row.insert(row.end(), samples.begin(), samples.end());
    trimmed.push_back(std::move(samples));
  }
  for (const size_t i : {0, 1, 2, 14, 21}) out.push_back(trimmed[i]);
  out.push_back(row);
  for (const int64_t length : {44100, 44800}) out.emplace_back(row.begin(), row.begin() + length);
  return out;
}

TEST(Scores, WholeClipsOverCropsAndFolds) {
  const golden::File file("scoring");
  const Scratch scratch;
  const RunPaths paths{scratch.path()};
  write_folds(file, paths);
  const auto backend = make_cpu_backend(2);
  ClipSource source(info().features);
  std::vector<int64_t> which;
  for (auto& samples : whole_clips()) {
    const std::string name = "clip" + std::to_string(which.size());
    ASSERT_EQ(static_cast<int64_t>(samples.size()), file.counts(name + ".samples").front());
    source.add(std::move(samples));
    which.push_back(static_cast<int64_t>(which.size()));
  }
  source.place_on(*backend);
  const auto got =
      score_clips({*backend, paths, info(), {{ModelKind::kComb, {0, 1}}}}, source, which).front();
  ASSERT_EQ(got.size(), which.size());
  for (size_t i = 0; i < got.size(); ++i) {
    std::vector<float> probabilities;
    for (const float x : got[i].log_probabilities) probabilities.push_back(std::exp(x));
    const std::string name = "clip" + std::to_string(i) + ".probabilities";
    golden::expect_near(probabilities, file.values(name), 1e-4, name);
  }
}

}  // namespace
}  // namespace earshot
