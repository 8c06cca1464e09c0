#include "models/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/error.h"

namespace earshot {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr double kRounding = 1e-12;  // a few double operations on numbers up to 1

const std::vector<std::string> kNames = {"Bark", "Cello", "Meow", "Oboe"};

// Probabilities that rank the classes in the given order.
std::vector<float> ranked(const std::vector<int>& order) {
  std::vector<float> probabilities(kNames.size());
  float next = 0.4f;
  for (int index : order) {
    probabilities[index] = next;
    next -= 0.1f;
  }
  return probabilities;
}

Prediction clip(int label, Usage usage, const std::vector<float>& probabilities) {
  return {"clip.wav", label, usage, probabilities};
}

TEST(Top, LargestFirstTiesByIndexNanLast) {
  EXPECT_EQ(top({0.1f, 0.4f, 0.2f, 0.3f}, 3), (std::vector<int>{1, 3, 2}));
  EXPECT_EQ(top({0.25f, 0.25f, 0.25f, 0.25f}, 3), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(top({0.2f, 0.4f, 0.4f}, 2), (std::vector<int>{1, 2}));
  EXPECT_EQ(top({kNan, 0.0f, kNan, 0.5f}, 4), (std::vector<int>{3, 1, 0, 2}));
  EXPECT_EQ(top({kNan, kNan}, 2), (std::vector<int>{0, 1}));
  EXPECT_EQ(top({0.3f, 0.7f}, 3), (std::vector<int>{1, 0}));
  EXPECT_TRUE(top({}, 3).empty());
  EXPECT_TRUE(top({1.0f}, 0).empty());
}

TEST(AveragePrecision, IsOneOverTheRank) {
  const auto probabilities = ranked({2, 0, 3, 1});
  EXPECT_EQ(average_precision_at_3(probabilities, 2), 1.0);
  EXPECT_EQ(average_precision_at_3(probabilities, 0), 0.5);
  EXPECT_EQ(average_precision_at_3(probabilities, 3), 1.0 / 3.0);
  EXPECT_EQ(average_precision_at_3(probabilities, 1), 0.0);
}

TEST(AveragePrecision, TiesGoToTheLowerClassAndNanScoresNothing) {
  EXPECT_EQ(average_precision_at_3({0.5f, 0.5f, 0.0f, 0.0f}, 1), 0.5);
  EXPECT_EQ(average_precision_at_3({0.25f, 0.25f, 0.25f, 0.25f}, 3), 0.0);
  EXPECT_EQ(average_precision_at_3({kNan, kNan, kNan, kNan}, 0), 0.0);
  EXPECT_EQ(average_precision_at_3({kNan, 0.1f, kNan, kNan}, 0), 0.0);
  EXPECT_EQ(average_precision_at_3({kNan, 0.1f, kNan, kNan}, 1), 1.0);
}

TEST(Score, TotalIsOverClipsNotClasses) {
  // Bark: three clips, all right. Meow: one clip, wrong. Over clips 3/4, over classes 1/2.
  std::vector<Prediction> predictions(3, clip(0, Usage::kNone, ranked({0, 1, 2, 3})));
  predictions.push_back(clip(2, Usage::kNone, ranked({0, 1, 3, 2})));
  const Scores scores = score(predictions, kNames);
  EXPECT_NEAR(scores.total.map3, 0.75, kRounding);
  EXPECT_NEAR(scores.total.accuracy, 0.75, kRounding);
  EXPECT_EQ(scores.total.clips, 4);
  EXPECT_NEAR(scores.per_class[0].score.map3, 1.0, kRounding);
  EXPECT_EQ(scores.per_class[1].score.clips, 0);
  EXPECT_NEAR(scores.per_class[2].score.map3, 0.0, kRounding);
  EXPECT_EQ(scores.per_class[3].label, "Oboe");
  EXPECT_EQ(scores.public_part.clips, 0);
  EXPECT_EQ(scores.private_part.clips, 0);
}

TEST(Score, PartsAndIntervalsByHand) {
  const std::vector<Prediction> predictions = {
      clip(0, Usage::kPublic, ranked({0, 1, 2, 3})),   // 1
      clip(0, Usage::kPublic, ranked({1, 0, 2, 3})),   // 1/2
      clip(1, Usage::kPrivate, ranked({0, 2, 1, 3})),  // 1/3
      clip(1, Usage::kPrivate, ranked({0, 2, 3, 1})),  // 0
      clip(2, Usage::kIgnored, ranked({0, 1, 3, 2})),
      clip(-1, Usage::kPublic, ranked({0, 1, 3, 2})),
  };
  const Scores scores = score(predictions, kNames);
  EXPECT_EQ(scores.total.clips, 4);
  EXPECT_NEAR(scores.total.map3, 11.0 / 24.0, kRounding);
  EXPECT_NEAR(scores.total.accuracy, 0.25, kRounding);
  // Distances from 11/24: 13/24, 1/24, -3/24, -11/24.
  const double squares = (169 + 1 + 9 + 121) / 576.0;
  EXPECT_NEAR(scores.total.interval, 1.96 * std::sqrt(squares / 3.0 / 4.0), kRounding);
  EXPECT_NEAR(scores.public_part.map3, 0.75, kRounding);
  EXPECT_NEAR(scores.public_part.interval, 1.96 * 0.25, kRounding);
  EXPECT_EQ(scores.private_part.clips, 2);
  EXPECT_NEAR(scores.private_part.map3, 1.0 / 6.0, kRounding);
  EXPECT_EQ(scores.per_class[2].score.clips, 0);
}

TEST(Score, IntervalOfThePapersTestSet) {
  // 1600 clips with a mean near .94 have an interval of about 0.009.
  std::vector<Prediction> predictions(1460, clip(0, Usage::kNone, ranked({0, 1, 2, 3})));
  predictions.resize(1560, clip(0, Usage::kNone, ranked({1, 0, 2, 3})));
  predictions.resize(1600, clip(0, Usage::kNone, ranked({1, 2, 3, 0})));
  EXPECT_NEAR(score(predictions, kNames).total.interval, 0.009, 0.001);
  EXPECT_EQ(score({predictions[0]}, kNames).total.interval, 0.0);
}

TEST(Score, ConfusionCountsLabelThenPrediction) {
  const std::vector<Prediction> predictions = {clip(0, Usage::kNone, ranked({3, 0, 1, 2})),
                                               clip(0, Usage::kNone, ranked({3, 0, 1, 2})),
                                               clip(3, Usage::kNone, ranked({3, 0, 1, 2})),
                                               clip(1, Usage::kNone, std::vector<float>(4, kNan))};
  const Scores scores = score(predictions, kNames);
  const std::vector<std::vector<int64_t>> expected = {
      {0, 0, 0, 2}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 1}};
  EXPECT_EQ(scores.confusion, expected);
  EXPECT_EQ(scores.total.clips, 4);
  EXPECT_NEAR(scores.total.accuracy, 0.25, kRounding);
}

TEST(Score, NothingToScore) {
  for (const Scores& scores :
       {score({}, kNames), score({clip(-1, Usage::kNone, ranked({0}))}, kNames)}) {
    EXPECT_EQ(scores.total.clips, 0);
    EXPECT_EQ(scores.total.map3, 0.0);
    EXPECT_EQ(scores.total.interval, 0.0);
    EXPECT_EQ(scores.per_class.size(), kNames.size());
  }
}

TEST(Score, PredictionsOfOtherClassesAreErrors) {
  EXPECT_THROW(score({clip(0, Usage::kNone, {0.5f, 0.5f})}, kNames), Error);
  EXPECT_THROW(score({clip(4, Usage::kNone, ranked({0, 1, 2, 3}))}, kNames), Error);
}

}  // namespace
}  // namespace earshot
