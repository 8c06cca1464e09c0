#include "models/learning_rate.h"

#include <gtest/gtest.h>

namespace earshot {
namespace {

TEST(LearningRate, IsConstantUnlessAsked) {
  const LearningRate rate{0.01};
  for (const int64_t t : {1, 2, 1000000}) EXPECT_EQ(rate.at(t), 0.01);
}

TEST(LearningRate, RisesInALine) {
  const LearningRate rate{0.01, 10};
  EXPECT_DOUBLE_EQ(rate.at(1), 0.001);
  EXPECT_DOUBLE_EQ(rate.at(5), 0.005);
  EXPECT_DOUBLE_EQ(rate.at(10), 0.01);
  EXPECT_DOUBLE_EQ(rate.at(11), 0.01);
}

TEST(LearningRate, FallsAlongHalfACosine) {
  const LearningRate rate{0.02, 10, 110};
  EXPECT_DOUBLE_EQ(rate.at(5), 0.01);
  EXPECT_DOUBLE_EQ(rate.at(10), 0.02);
  EXPECT_NEAR(rate.at(10 + 25), 0.02 * 0.85355339059327, 1e-15);  // (1 + cos 45 degrees) / 2
  EXPECT_NEAR(rate.at(60), 0.01, 1e-15);
  EXPECT_NEAR(rate.at(110), 0.0, 1e-15);
  EXPECT_NEAR(rate.at(111), 0.0, 1e-15);
}

TEST(LearningRate, IsFiniteWhereTheRiseFillsThePhase) {
  const LearningRate rate{0.02, 10, 10};
  EXPECT_DOUBLE_EQ(rate.at(9), 0.018);
  EXPECT_NEAR(rate.at(10), 0.0, 1e-15);
}

}  // namespace
}  // namespace earshot
