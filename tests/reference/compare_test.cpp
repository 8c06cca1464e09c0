// The comparator must fail where a kernel fails: each test plants one fault in a passing pair.
#include "tests/reference/compare.h"

#include <limits>

#include "tests/reference/values.h"

namespace earshot {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class Compare : public testing::Test {
 protected:
  Comparison result() const { return compare(actual, expected, tolerance); }
  std::vector<double> expected = widen(random_values(100, 1, 1, 2));
  std::vector<double> actual = expected;
  std::vector<double> tolerance = rounding(growth(1), absolute(expected));
};

TEST_F(Compare, EqualValuesPassWithNoShareUsed) {
  EXPECT_TRUE(result().passed);
  EXPECT_EQ(result().share, 0);
}

TEST_F(Compare, ShareIsTheLargestErrorOverItsTolerance) {
  actual[7] += tolerance[7] / 2;
  actual[8] -= tolerance[8] / 4;
  EXPECT_TRUE(result().passed);
  EXPECT_NEAR(result().share, 0.5, 1e-6);
}

TEST_F(Compare, JustOverTheToleranceFails) {
  actual[99] += 1.01 * tolerance[99];
  EXPECT_FALSE(result().passed);
  EXPECT_NE(result().text.find("[99]"), std::string::npos);
}

TEST_F(Compare, NanFailsOnEverySide) {
  for (std::vector<double>* side : {&actual, &expected, &tolerance}) {
    const double kept = (*side)[50];
    (*side)[50] = kNan;
    EXPECT_FALSE(result().passed);
    (*side)[50] = kept;
  }
  actual[50] = expected[50] = kNan;
  EXPECT_FALSE(result().passed);
}

TEST_F(Compare, InfinityFails) {
  actual[0] = kInfinity;
  EXPECT_FALSE(result().passed);
  expected[0] = kInfinity;  // inf - inf is NaN
  EXPECT_FALSE(result().passed);
}

TEST_F(Compare, FlippedSignFails) {
  actual[3] = -actual[3];
  EXPECT_FALSE(result().passed);
}

TEST_F(Compare, OffByOneFails) {
  std::rotate(actual.begin(), actual.begin() + 1, actual.end());
  EXPECT_FALSE(result().passed);
}

TEST_F(Compare, StaleBufferFails) {
  actual = widen(random_values(100, 2, 1, 2));  // another step's values
  EXPECT_FALSE(result().passed);
  actual.assign(100, 0.0);  // never written
  EXPECT_FALSE(result().passed);
}

TEST_F(Compare, NothingToCompareFails) { EXPECT_FALSE(compare({}, {}, {}).passed); }

TEST_F(Compare, DifferingCountsFail) {
  actual.pop_back();
  EXPECT_FALSE(result().passed);
  expected.pop_back();
  EXPECT_FALSE(result().passed);
  tolerance.pop_back();
  EXPECT_TRUE(result().passed);
}

TEST_F(Compare, ZeroMagnitudeAllowsNoError) {
  actual = expected = tolerance = {0.0};
  EXPECT_TRUE(result().passed);
  actual = {1e-30};
  EXPECT_FALSE(result().passed);
}

TEST(Growth, CoversFloat32SumsAndNoMore) {
  for (const int64_t terms : {1, 10, 1000, 100000}) {
    const std::vector<float> values = random_values(terms, 3);
    float sum = 0;
    double exact = 0, magnitude = 0;
    for (const float x : values) {
      sum += x;
      exact += static_cast<double>(x);
      magnitude += std::abs(static_cast<double>(x));
    }
    const std::vector<double> tolerance = rounding(growth(terms), std::vector<double>{magnitude});
    expect_close(std::vector<float>{sum}, std::vector<double>{exact}, tolerance, "float32 sum");
    EXPECT_LE(growth(terms), 6 * std::sqrt(5.0 * static_cast<double>(terms)));
  }
}

}  // namespace
}  // namespace earshot
