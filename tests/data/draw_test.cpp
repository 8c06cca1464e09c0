// The draws of augmentation (paper 2.4) as distributions, and what every draw must satisfy.
#include "data/draw.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/data/distributions.h"
#include "tests/reference/compare.h"

namespace earshot {
namespace {

constexpr int64_t kWindow = 44100;
constexpr int kDraws = 20000;

DrawSettings settings_of(int64_t grid) {
  DrawSettings s;
  s.window = kWindow;
  s.grid = grid;
  return s;
}

/// `kDraws` placements of a clip.
GatherPlan placements(const DrawSettings& s, int64_t length, uint32_t name) {
  GatherPlan plan;
  Random random(99, Purpose::kAugment, name, 0);
  for (int i = 0; i < kDraws; ++i) draw_placement(s, 0, length, 1.0f, random, plan);
  return plan;
}

size_t bin_of(int64_t value, int64_t last, size_t bins) {  // of 0 ... last
  return static_cast<size_t>(value) * bins / static_cast<size_t>(last + 1);
}

TEST(Roll, IsUniformOverTheClip) {
  for (const int64_t length : {1000, 44100, 100000}) {
    std::vector<int64_t> counts(50);
    for (const Placement& p : placements(settings_of(1), length, 1).placements) {
      ASSERT_GE(p.roll, 0);
      ASSERT_LT(p.roll, length);
      ++counts[bin_of(p.roll, length - 1, counts.size())];
    }
    expect_even(counts, "rolls");
  }
}

TEST(Roll, IsUniformOverTheGrid) {
  const int64_t length = 10 * 256 + 1;  // rolls 0, 256, ..., 2560
  std::vector<int64_t> counts(11);
  for (const Placement& p : placements(settings_of(256), length, 2).placements) {
    ASSERT_EQ(p.roll % 256, 0);
    ASSERT_LT(p.roll, length);
    ++counts[static_cast<size_t>(p.roll / 256)];
  }
  expect_even(counts, "rolls on the grid");
}

TEST(Crop, StartsUniformlyFromTheFirstToTheLastThatFits) {
  for (const int64_t grid : {1, 256}) {
    const int64_t length = kWindow + 20 * 256;
    std::vector<int64_t> counts(21);
    std::set<int64_t> starts;
    const GatherPlan plan = placements(settings_of(grid), length, 3);
    for (const Placement& p : plan.placements) {
      ASSERT_EQ(p.copies, 1);
      const int64_t start = -plan.positions[p.first_copy];
      ASSERT_EQ(start % grid, 0);
      ASSERT_GE(start, 0);
      ASSERT_LE(start, length - kWindow);
      starts.insert(start);
      ++counts[bin_of(start, length - kWindow, counts.size())];
    }
    EXPECT_EQ(*starts.begin(), 0);
    if (grid == 256) {
      EXPECT_EQ(*starts.rbegin(), length - kWindow);
      EXPECT_EQ(starts.size(), 21u);
      expect_even(counts, "crops on the grid");
    } else {
      expect_even(counts, "crops");
    }
  }
}

TEST(Copies, AreUniformFromOneToWhatFits) {
  for (const auto& [length, fits] : {std::pair<int64_t, size_t>{kWindow / 2, 2},
                                     {6300, 7},
                                     {6301, 6},
                                     {kWindow - 1, 1},
                                     {100, kMaxCopies},
                                     {1, kMaxCopies}}) {
    std::vector<int64_t> counts(fits);
    for (const Placement& p : placements(settings_of(1), length, 4).placements) {
      ASSERT_GE(p.copies, 1);
      ASSERT_LE(p.copies, static_cast<int32_t>(fits));
      ++counts[static_cast<size_t>(p.copies - 1)];
    }
    expect_even(counts, "copies");
  }
}

TEST(Copies, StayApartInsideTheWindowInOrder) {
  for (const int64_t grid : {1, 256})
    for (const int64_t length : {1, 300, 6300, 20000}) {
      const GatherPlan plan = placements(settings_of(grid), length, 5);
      for (const Placement& p : plan.placements) {
        int64_t before = -length - grid;
        for (int32_t j = 0; j < p.copies; ++j) {
          const int64_t q = plan.positions[p.first_copy + j];
          ASSERT_EQ(q % grid, 0);
          ASSERT_GE(q, 0);
          ASSERT_LE(q, kWindow - length);
          // The grid moves a copy down by less than a step, so that one may cover another's end.
          ASSERT_GT(q, before + length - grid);
          before = q;
        }
      }
    }
}

// k sorted uniform cuts of the slack leave k + 1 gaps with P(gap > x) = (1 - x / slack)^k each.
TEST(Copies, GapsAreThoseOfSortedUniformCuts) {
  const int64_t length = 6000;  // fits 7 times
  const GatherPlan plan = placements(settings_of(1), length, 6);
  for (const int32_t k : {1, 2, 5}) {
    const double slack = double(kWindow - k * length);
    std::vector<std::vector<double>> gaps(static_cast<size_t>(k + 1));
    for (const Placement& p : plan.placements) {
      if (p.copies != k) continue;
      int64_t end = 0;
      for (int32_t j = 0; j < k; ++j) {
        const int64_t q = plan.positions[p.first_copy + j];
        gaps[j].push_back(double(q - end));
        end = q + length;
      }
      gaps[k].push_back(double(kWindow - end));
    }
    for (const std::vector<double>& each : gaps)
      expect_distribution(
          each, [=](double x) { return 1 - std::pow(1 - (x + 0.5) / (slack + 1), k); }, "gaps");
  }
}

TEST(Placement, SwitchesAndEdges) {
  DrawSettings s = settings_of(1);
  s.shift = s.replicate = false;
  for (const Placement& p : placements(s, 100, 7).placements) {
    ASSERT_EQ(p.roll, 0);
    ASSERT_EQ(p.copies, 1);
  }
  GatherPlan plan = placements(settings_of(256), 0, 8);  // a clip without samples
  for (const Placement& p : plan.placements) {
    ASSERT_EQ(p.roll, 0);
    ASSERT_EQ(p.copies, 1);
  }
  plan = placements(settings_of(1), kWindow, 9);  // just fits
  for (const int64_t position : plan.positions) ASSERT_EQ(position, 0);
}

TEST(Centre, IsTheMiddleOnTheGrid) {
  const auto position = [](int64_t length, int64_t grid) {
    GatherPlan plan;
    centre_placement(settings_of(grid), 3, length, plan);
    EXPECT_EQ(plan.placements[0].clip, 3);
    EXPECT_EQ(plan.placements[0].roll, 0);
    EXPECT_EQ(plan.placements[0].weight, 1.0f);
    return plan.positions[0];
  };
  EXPECT_EQ(position(kWindow, 1), 0);
  EXPECT_EQ(position(kWindow + 1001, 1), -500);
  EXPECT_EQ(position(kWindow - 1001, 1), 500);
  EXPECT_EQ(position(kWindow + 1001, 256), -256);
  EXPECT_EQ(position(kWindow - 1100, 256), 512);
  EXPECT_EQ(position(0, 1), kWindow / 2);
}

// Dirichlet(alpha, ..., alpha) over n: mean 1 / n, variance (1 / n)(1 - 1 / n) / (n alpha + 1).
TEST(Weights, AreDirichlet) {
  for (const double alpha : {1.0, 0.3, 2.5})
    for (const int n : {2, 3, 4}) {
      Random random(99, Purpose::kAugment, 20, uint32_t(n));
      std::vector<std::vector<double>> draws(static_cast<size_t>(n)), squares = draws;
      const double mean = 1.0 / n, variance = mean * (1 - mean) / (n * alpha + 1);
      for (int i = 0; i < kDraws; ++i) {
        const std::vector<float> weights = draw_weights(n, alpha, random);
        ASSERT_EQ(weights.size(), size_t(n));
        double sum = 0;
        for (size_t k = 0; k < weights.size(); ++k) {
          ASSERT_GE(weights[k], 0.0f);
          sum += double(weights[k]);
          draws[k].push_back(double(weights[k]));
          squares[k].push_back(std::pow(double(weights[k]) - mean, 2));
        }
        ASSERT_LE(std::abs(sum - 1), n * kUnit);
      }
      for (size_t k = 0; k < draws.size(); ++k) {
        expect_mean(draws[k], mean, std::sqrt(variance), "mean weight");
        expect_mean(squares[k], variance, 0.5, "variance of weights");  // squares are below 1
        // Each weight alone is Beta(alpha, (n - 1) alpha); with alpha = 1 in closed form.
        if (alpha == 1.0)
          expect_distribution(
              draws[k], [n](double x) { return 1 - std::pow(1 - x, n - 1); }, "weights");
      }
    }
}

TEST(Weights, OfOneClipAreOneAndTinyAlphasStaySound) {
  Random random(1, Purpose::kAugment, 0, 0);
  EXPECT_EQ(draw_weights(1, 1.0, random), std::vector<float>{1.0f});
  for (int i = 0; i < 1000; ++i) {
    const std::vector<float> weights = draw_weights(3, 1e-4, random);
    ASSERT_LE(std::abs(std::accumulate(weights.begin(), weights.end(), 0.0) - 1), 3 * kUnit);
  }
}

TEST(Order, IsAPermutationAndEveryPlaceIsUniform) {
  constexpr int64_t kCount = 10;
  std::vector<std::vector<int64_t>> seen(kCount, std::vector<int64_t>(kCount));
  for (uint32_t epoch = 0; epoch < 5000; ++epoch) {
    std::vector<int64_t> order = epoch_order(kCount, 3, epoch);
    for (size_t i = 0; i < kCount; ++i) ++seen[i][static_cast<size_t>(order[i])];
    std::sort(order.begin(), order.end());
    for (int64_t i = 0; i < kCount; ++i) ASSERT_EQ(order[i], i);
  }
  for (const auto& counts : seen) expect_even(counts, "order");
  EXPECT_EQ(epoch_order(100, 3, 7), epoch_order(100, 3, 7));
  EXPECT_NE(epoch_order(100, 3, 7), epoch_order(100, 4, 7));
  EXPECT_TRUE(epoch_order(0, 3, 7).empty());
}

using Positions = std::vector<int64_t>;

TEST(ScoringPositions, LongClipsAreCroppedEvery5120Samples) {
  EXPECT_EQ(scoring_positions(kWindow + 2 * 5120, kWindow, 5120, false),
            (Positions{0, -5120, -10240}));
  EXPECT_EQ(scoring_positions(kWindow + 2 * 5120, kWindow, 5120, true),
            (Positions{0, -5120, -10240}));  // the grid meets the end
  EXPECT_EQ(scoring_positions(kWindow + 6000, kWindow, 5120, false), (Positions{0, -5120}));
  EXPECT_EQ(scoring_positions(kWindow + 6000, kWindow, 5120, true),
            (Positions{0, -5120, -5888}));  // 23 columns
  EXPECT_EQ(scoring_positions(kWindow + 5119, kWindow, 5120, false), (Positions{0}));
  EXPECT_EQ(scoring_positions(kWindow + 255, kWindow, 5120, true), (Positions{0}));
}

TEST(ScoringPositions, ShortClipsMoveThroughTheWindow) {
  EXPECT_EQ(scoring_positions(kWindow - 10240, kWindow, 5120, false), (Positions{0, 5120, 10240}));
  EXPECT_EQ(scoring_positions(kWindow - 6000, kWindow, 5120, false), (Positions{0, 5120}));
  EXPECT_EQ(scoring_positions(kWindow - 6000, kWindow, 5120, true), (Positions{0, 5120, 5888}));
  EXPECT_EQ(scoring_positions(kWindow, kWindow, 5120, true), (Positions{0}));
}

TEST(ScoringPositions, AnEmptyClipIsScoredOnSilence) {
  const Positions positions = scoring_positions(0, kWindow, 5120, true);
  ASSERT_FALSE(positions.empty());
  for (const int64_t at : positions) EXPECT_LE(at, kWindow);
  EXPECT_EQ(positions.front(), 0);
}

}  // namespace
}  // namespace earshot
