// The tests of the metrics, for every form of them: against a sort of the classes.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/metrics.h"
#include "tests/reference/values.h"

namespace earshot::metrics_body {

/// Everything lies on the host.
using AddMetrics = void (*)(const LossShape& s, const float* logits, const float* targets,
                            const float* loss, MetricSums* sums);

/// Examples with many equal logits, some NaN and infinite, some labels NaN, one without a label.
struct Examples {
  LossShape s;
  std::vector<float> logits, targets, loss;
  std::vector<int64_t> labels;  // -1: none

  explicit Examples(LossShape shape) : s(shape) {
    logits = coarse_values(s.n * s.classes, 1);
    loss = random_values(s.n, 2, 0, 5);
    targets.assign(logits.size(), 0.0f);
    const std::vector<float> draws = random_values(s.n, 3, 0, 1);
    for (int64_t i = 0; i < s.n; ++i) {
      const auto label = static_cast<int64_t>(draws[i] * 0.999f * static_cast<float>(s.classes));
      labels.push_back(i % 11 == 5 ? -1 : label);
      if (labels.back() >= 0) targets[i * s.classes + label] = 1.0f;
      float* row = &logits[i * s.classes];
      if (i % 3 == 0) row[label] = 3.0f;  // often among the first
      if (i % 7 == 1) row[(label + 1) % s.classes] = std::numeric_limits<float>::quiet_NaN();
      if (i % 7 == 2) row[label] = std::numeric_limits<float>::quiet_NaN();
      if (i % 7 == 3) std::fill_n(row, s.classes, std::numeric_limits<float>::quiet_NaN());
      if (i % 7 == 4) row[s.classes - 1] = std::numeric_limits<float>::infinity();
    }
  }

  /// The classes of example i sorted as kernels/metrics.h says.
  std::vector<int64_t> ranking(int64_t i) const {
    const float* row = &logits[i * s.classes];
    std::vector<int64_t> order(static_cast<size_t>(s.classes));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [row](int64_t a, int64_t b) {
      if (std::isnan(row[a]) || std::isnan(row[b]))
        return !std::isnan(row[a]) && std::isnan(row[b]);
      return row[a] > row[b];
    });
    return order;
  }

  void add_to(MetricSums& sums) const {
    for (int64_t i = 0; i < s.n; ++i) {
      sums.loss += static_cast<double>(loss[i]);
      const int64_t label = labels[i];
      if (label < 0 || std::isnan(logits[i * s.classes + label])) continue;
      const std::vector<int64_t> order = ranking(i);
      const auto rank = std::find(order.begin(), order.end(), label) - order.begin();
      if (rank < 3) sums.precision += 1.0 / static_cast<double>(rank + 1);
      sums.hits += rank == 0 ? 1 : 0;
    }
  }
};

/// Two batches on top of what was there: the same bits.
inline void sums_are_those_of_a_sort(LossShape s, AddMetrics add) {
  const Examples examples(s);
  MetricSums expected{1.5, 2.5, 3}, got = expected;
  for (int k = 0; k < 2; ++k) {
    examples.add_to(expected);
    add(s, examples.logits.data(), examples.targets.data(), examples.loss.data(), &got);
  }
  EXPECT_EQ(got.loss, expected.loss);
  EXPECT_EQ(got.precision, expected.precision);
  EXPECT_EQ(got.hits, expected.hits);
  if (s.n > 20) {
    EXPECT_GT(got.hits, 3);  // a test without hits would see nothing
  }
}

inline const std::vector<LossShape> kShapes = {{1, 1},  {1, 2},   {3, 5},   {32, 41},
                                               {7, 33}, {64, 32}, {65, 64}, {130, 97}};

}  // namespace earshot::metrics_body
