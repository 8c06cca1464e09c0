// Scoring with shared work equals scoring each crop by itself.
#include "models/scoring.h"

#include "tests/models/scoring_fixture.h"

namespace earshot {
namespace {

Config scoring_config(int seconds) {
  Config config = small_config();
  config.seconds = seconds;
  config.scoring.batch = 5;  // several batches, the last one partial
  return config;
}

/// Up to eight sums of at most 5 x 256 products one after the other, in another order where another
/// plan runs.
std::vector<double> tolerance(const std::vector<double>& exact) {
  return rounding_of_largest(growth(8 * 5 * 256), exact);
}

/// The device of this run; in fp32 alone, for other numbers would hide what goes wrong.
Backend& backend_of(const std::string& name) { return open_backend({name, Precision::kF32}); }
std::string device_name() { return test_on_gpu() ? "cuda" : "cpu"; }

void expect_naive(const ScoringRequest& request, const ClipSource& source) {
  std::vector<int64_t> which(source.size());
  for (size_t i = 0; i < which.size(); ++i) which[i] = static_cast<int64_t>(i);
  const auto scores = score_clips(request, source, which);
  ASSERT_EQ(scores.size(), request.models.size());
  for (size_t m = 0; m < scores.size(); ++m) {
    const auto& [kind, folds] = request.models[m];
    std::vector<std::vector<std::vector<float>>> rows(which.size());  // [clip][fold, crop][class]
    for (const int fold : folds) {
      NaiveScorer naive(request, kind, fold);
      for (const int64_t clip : which)
        for (auto& row : naive.rows(source, clip)) rows[clip].push_back(std::move(row));
    }
    ASSERT_EQ(scores[m].size(), which.size());
    std::vector<float> all;
    std::vector<double> exact;
    for (const int64_t clip : which) {
      for (const double x : naive_mean(rows[clip])) exact.push_back(x);
      for (const float x : scores[m][clip].log_probabilities) all.push_back(x);
    }
    expect_close(all, exact, tolerance(exact), to_string(kind));
  }
}

class SharedScoring : public testing::TestWithParam<std::tuple<std::string, int>> {
 protected:
  int seconds = std::get<1>(GetParam());
  int64_t window = window_samples(seconds);
  Backend* backend = &backend_of(std::get<0>(GetParam()));
};

TEST_P(SharedScoring, EqualsEachCropAloneWhateverTheLength) {
  const RandomRun run(*backend, scoring_config(seconds));
  const ClipSource source = random_clips(
      {window, 0, 1, 256, window - 5120, window - 5119, window - 1, window + 1, window + 255,
       window + 256, window + 5119, window + 5120, window + 5121, 2 * window + 30000},
      *backend);
  expect_naive(run.request({{ModelKind::kAudio, {1}}}), source);
}

TEST_P(SharedScoring, OfAllKindsAndFoldsTogether) {
  const RandomRun run(*backend, scoring_config(seconds));
  const ClipSource source = random_clips({window + 9000, window / 2 + 20000}, *backend);
  expect_naive(
      run.request(
          {{ModelKind::kAudio, {0, 1}}, {ModelKind::kSpec, {1}}, {ModelKind::kComb, {0, 1}}}),
      source);
}

INSTANTIATE_TEST_SUITE_P(Seconds, SharedScoring,
                         testing::Combine(testing::Values(device_name()), testing::Values(1, 2, 3)),
                         [](const auto& of) {
                           return std::get<0>(of.param) + "_" +
                                  std::to_string(std::get<1>(of.param)) + "s";
                         });

class Scoring : public testing::TestWithParam<std::string> {
 protected:
  Backend* backend = &backend_of(GetParam());
  ClipSource clips() const { return random_clips({60000, 30000}, *backend); }
};

TEST_P(Scoring, WithoutTheCropAtTheEndAndWithAnotherStep) {
  Config config = scoring_config(1);
  config.scoring.align_end = false;
  config.scoring.step = 768;  // no multiple of the third block's pool
  const RandomRun run(*backend, config);
  expect_naive(run.request({{ModelKind::kAudio, {0}}}), clips());
}

// A clip as long as the window is the window: it makes no difference which of them is resized. Of
// others each crop is on the grid of the resized clip, alone as in a batch.
TEST(ScoringOfResizedClips, EqualsThatOfWindowsWhereTheyAreOne) {
  Backend& backend = backend_of("cpu");
  for (const int seconds : {1, 2, 3}) {
    Config window = scoring_config(seconds), clip = window;
    clip.input.resize = InputSettings::Resize::kClip;
    const RandomRun run(backend, window), other(backend, clip);
    const int64_t length = window_samples(seconds);
    const ClipSource windows = random_clips({length}, backend);
    const ClipSource clips = random_clips({length}, backend, clip);
    const auto expected = score_clips(run.request({{ModelKind::kSpec, {0}}}), windows, {0});
    const auto found = score_clips(other.request({{ModelKind::kSpec, {0}}}), clips, {0});
    EXPECT_EQ(found[0][0].log_probabilities, expected[0][0].log_probabilities) << seconds << " s";
    expect_naive(other.request({{ModelKind::kSpec, {0}}, {ModelKind::kComb, {0}}}),
                 random_clips({length + 9000, length / 3, 0, 300}, backend, clip));
  }
}

TEST_P(Scoring, OfCropsThatDoNotOverlap) {
  Config config = scoring_config(1);
  config.scoring.step = 256 * 200;
  const RandomRun run(*backend, config);
  const ClipSource source = random_clips({200000}, *backend);
  expect_naive(run.request({{ModelKind::kAudio, {0}}}), source);
}

TEST_P(Scoring, OfTrunksOfTheHeadsOwn) {
  const RandomRun run(*backend, scoring_config(1), /*own_trunks=*/true);
  expect_naive(
      run.request({{ModelKind::kAudio, {0}}, {ModelKind::kSpec, {0}}, {ModelKind::kComb, {0}}}),
      clips());
}

TEST_P(Scoring, WithAnInputZeroed) {
  const RandomRun run(*backend, scoring_config(1));
  ScoringRequest request = run.request({{ModelKind::kComb, {0}}});
  for (const auto zero : {ClipSource::Zero::kAudio, ClipSource::Zero::kSpectrogram}) {
    request.zero = zero;
    expect_naive(request, clips());
  }
}

TEST_P(Scoring, WithTheSpectrogramFromTheWave) {
  Config config = scoring_config(1);
  config.input.wave_first = true;
  const RandomRun run(*backend, config);
  expect_naive(run.request({{ModelKind::kSpec, {0}}, {ModelKind::kComb, {0}}}), clips());
}

TEST_P(Scoring, TheTimelineIsEachCrop) {
  const RandomRun run(*backend, scoring_config(1));
  ScoringRequest request = run.request({{ModelKind::kAudio, {0, 1}}});
  request.timeline = true;
  const ClipSource source = clips();
  const auto scores = score_clips(request, source, {0, 1}).front();
  const auto a = NaiveScorer(request, ModelKind::kAudio, 0).rows(source, 0);
  const auto b = NaiveScorer(request, ModelKind::kAudio, 1).rows(source, 0);
  ASSERT_EQ(scores[0].crops.size(), a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    const std::vector<double> exact = naive_mean({a[i], b[i]});
    expect_close(scores[0].crops[i].log_probabilities, exact, tolerance(exact), "a crop");
  }
  EXPECT_EQ(scores[0].crops[1].start, 5120.0 / 44100);
  EXPECT_EQ(scores[0].crops[1].end, (5120.0 + 44100) / 44100);
  EXPECT_EQ(scores[0].crops.back().start, (60000 - 44100) / 256 * 256 / 44100.0);
  // A short clip stands whole in every crop.
  ASSERT_EQ(scores[1].crops.size(), 1u);
  EXPECT_EQ(scores[1].crops[0].start, 0);
  EXPECT_EQ(scores[1].crops[0].end, 30000.0 / 44100);
  EXPECT_EQ(scores[1].crops[0].log_probabilities, scores[1].log_probabilities);
}

INSTANTIATE_TEST_SUITE_P(All, Scoring, testing::Values(device_name()),
                         [](const auto& of) { return of.param; });

}  // namespace
}  // namespace earshot
