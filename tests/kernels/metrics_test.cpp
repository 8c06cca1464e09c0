#include "tests/kernels/metrics_body.h"

namespace earshot {
namespace {

TEST(Metrics, AreThoseOfASort) {
  for (const LossShape& s : metrics_body::kShapes)
    metrics_body::sums_are_those_of_a_sort(s, add_metrics);
}

TEST(Metrics, EqualLogitsRankByIndex) {
  const float logits[] = {1, 1, 1, 1}, loss = 0;
  const double expected[] = {1, 1.0 / 2, 1.0 / 3, 0};
  for (int label = 0; label < 4; ++label) {
    float targets[4] = {};
    targets[label] = 1;
    MetricSums sums;
    add_metrics({1, 4}, logits, targets, &loss, &sums);
    EXPECT_EQ(sums.precision, expected[label]);
    EXPECT_EQ(sums.hits, label == 0 ? 1 : 0);
  }
}

}  // namespace
}  // namespace earshot
