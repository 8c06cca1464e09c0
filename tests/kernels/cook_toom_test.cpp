// The transforms of minimal filtering in exact rationals: y_i = sum_j g_j d_(i + j), term by term.
#include "kernels/cook_toom.h"

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "tests/reference/compare.h"

namespace earshot {
namespace {

/// Numerators and denominators here stay far below 2^127.
__extension__ using Integer = __int128;

struct Rational {
  Integer top, bottom;
  Rational(Integer n, Integer d) {
    Integer common = n < 0 ? -n : n;
    for (Integer rest = d; rest != 0;) common = std::exchange(rest, common % rest);
    if ((common < 0) != (d < 0)) common = -common;
    top = n / common;
    bottom = d / common;
  }
  static Rational exact(double dyadic) {
    int64_t bottom = 1;
    for (; dyadic != std::floor(dyadic); dyadic *= 2) bottom *= 2;
    return {static_cast<int64_t>(dyadic), bottom};
  }
  double value() const { return static_cast<double>(top) / static_cast<double>(bottom); }
  friend Rational operator+(Rational a, Rational b) {
    return {a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom};
  }
  friend Rational operator-(Rational a, Rational b) { return a + Rational{-b.top, b.bottom}; }
  friend Rational operator*(Rational a, Rational b) { return {a.top * b.top, a.bottom * b.bottom}; }
  friend Rational operator/(Rational a, Rational b) { return a * Rational{b.bottom, b.top}; }
  friend bool operator==(Rational a, Rational b) { return a.top == b.top && a.bottom == b.bottom; }
};

template <class Filter>
class CookToomOf : public testing::Test {};
using Filters = testing::Types<CookToom<3>, CookToom<4>, CookToom<4, 6>, CookToom<6, 8>>;
TYPED_TEST_SUITE(CookToomOf, Filters);

/// G[k][j] = p_k^j / N_k, which the table holds rounded.
template <class Filter>
Rational exact_filter(int k, int j) {
  if (k == Filter::kPoints - 1) return {j == Filter::kTaps - 1, 1};
  const auto points = Filter::points();
  Rational g{1, 1};
  for (int l = 0; l + 1 < Filter::kPoints; ++l)
    if (l != k) g = g / (Rational::exact(points[k]) - Rational::exact(points[l]));
  for (; j > 0; --j) g = g * Rational::exact(points[k]);
  return g;
}

TYPED_TEST(CookToomOf, FilterTableIsTheExactOneRounded) {
  for (int k = 0; k < TypeParam::kPoints; ++k)
    for (int j = 0; j < TypeParam::kTaps; ++j) {
      const double exact = exact_filter<TypeParam>(k, j).value();
      EXPECT_LE(std::abs(TypeParam::filter()[k][j] - exact), 1e-15 * std::abs(exact));
    }
}

TYPED_TEST(CookToomOf, ComputesTheFilterExactly) {
  const auto output = TypeParam::output();
  const auto input = TypeParam::input();
  for (int i = 0; i < TypeParam::kOutputs; ++i)
    for (int j = 0; j < TypeParam::kTaps; ++j)
      for (int l = 0; l < TypeParam::kPoints; ++l) {
        Rational sum{0, 1};
        for (int k = 0; k < TypeParam::kPoints; ++k)
          sum = sum + Rational::exact(output[k][i]) * exact_filter<TypeParam>(k, j) *
                          Rational::exact(input[k][l]);
        EXPECT_TRUE(sum == Rational(l == i + j, 1))
            << "output " << i << " tap " << j << " input " << l;
      }
}

using Lanes = Avx2::Lanes;

/// The unrolled forms on unit vectors give the matrices' columns: all sums are exact there.
template <class Transform>
void expect_columns() {
  constexpr auto matrix = Transform::kMatrix;
  constexpr int kRows = matrix.size(), kCols = matrix[0].size();
  for (int j = 0; j < kCols; ++j) {
    Lanes x[kCols] = {}, y[kRows];
    x[j] += 1.0f;
    cook_toom::analyse<Transform>(x, y);
    for (int k = 0; k < kRows; ++k) EXPECT_EQ(y[k][0], matrix[k][j]) << k << " " << j;
  }
  for (int k = 0; k < kRows; ++k) {
    Lanes x[kRows] = {}, y[kCols];
    x[k] += 1.0f;
    cook_toom::synthesise<Transform>(x, y);
    for (int j = 0; j < kCols; ++j) EXPECT_EQ(y[j][7], matrix[k][j]) << k << " " << j;
  }
}

TYPED_TEST(CookToomOf, UnrolledFormsAreTheMatrices) {
  expect_columns<InputTransform<TypeParam>>();
  expect_columns<OutputTransform<TypeParam>>();
}

}  // namespace
}  // namespace earshot
