// The comparator of the numerical tests, and the one place where their tolerances are derived:
//   tolerance = rounding unit of the type x growth(length of the reduction) x magnitude
// with the magnitude of an element = the same formula over absolute values.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "engine/precision.h"

namespace earshot {

constexpr double kUnit = 0x1p-24;     // of float32: |rounded(x) - x| <= kUnit |x|
constexpr double kBf16Unit = 0x1p-8;  // the same of bfloat16

/// Growth of the error of a float32 sum of `terms` products, in rounding units of the sum of their
/// absolute values. The worst case is `terms`, but independent roundings exceed lambda sqrt(terms)
/// with a probability of only 2 exp(-lambda^2 / 2) (Higham & Mary 2019, Theorem 2.4); lambda = 6.
/// The 4 covers the few operations around the sum.
inline double growth(int64_t terms) { return 6.0 * std::sqrt(static_cast<double>(terms + 4)); }

/// The tolerance of each element, from its magnitude.
inline std::vector<double> rounding(double growth, std::span<const double> magnitudes) {
  std::vector<double> tolerance(magnitudes.begin(), magnitudes.end());
  for (double& x : tolerance) x *= kUnit * growth;
  return tolerance;
}

/// The factors of a product may be cut first: |cut(x) - x| <= unit |x|. Matrix units cut to the 10
/// bits of mantissa of TF32, toward zero at worst, so that it does not average out over a sum;
/// factors that are stored as bf16 were rounded.
inline double factor_unit(Precision precision) {
  return precision == Precision::kBf16 ? kBf16Unit : precision == Precision::kTf32 ? 0x1p-10 : 0.0;
}

/// `rounding` of sums of `terms` products of two factors.
inline std::vector<double> product_rounding(Precision precision, int64_t terms,
                                            std::span<const double> magnitudes) {
  std::vector<double> tolerance = rounding(growth(terms), magnitudes);
  const double unit = factor_unit(precision);
  for (size_t i = 0; i < tolerance.size(); ++i)
    tolerance[i] += (2 * unit + unit * unit) * magnitudes[i];
  return tolerance;
}

/// One tolerance for all elements: the magnitude of a tensor is that of its largest element.
inline std::vector<double> rounding_of_largest(double growth, std::span<const double> values) {
  double largest = 0;
  for (const double x : values) largest = std::max(largest, std::abs(x));
  return std::vector<double>(values.size(), kUnit * growth * largest);
}

/// The tolerance of values that are rounded to bfloat16 at the end: the rounding unit of whatever
/// came before it, on top.
inline std::vector<double> stored_as_bf16(std::vector<double> tolerance,
                                          std::span<const double> expected) {
  for (size_t i = 0; i < tolerance.size(); ++i)
    tolerance[i] += kBf16Unit * (std::abs(expected[i]) + tolerance[i]);
  return tolerance;
}

struct Comparison {
  bool passed = false;
  double share = 0;  // largest error / tolerance
  std::string text;  // the first value that fails
};

/// Passes where every |actual - expected| <= tolerance. Nothing to compare, differing counts and
/// NaN on any side fail.
inline Comparison compare(std::span<const double> actual, std::span<const double> expected,
                          std::span<const double> tolerance) {
  if (actual.empty()) return {false, 0, "nothing to compare"};
  if (actual.size() != expected.size() || actual.size() != tolerance.size())
    return {false, 0,
            "counts differ: " + std::to_string(actual.size()) + " actual, " +
                std::to_string(expected.size()) + " expected, " + std::to_string(tolerance.size()) +
                " tolerances"};
  double share = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(actual[i] - expected[i]);
    if (error <= tolerance[i]) {
      if (error > 0) share = std::max(share, error / tolerance[i]);
      continue;
    }
    char text[160];
    std::snprintf(text, sizeof text, "[%zu] is %.9g, expected %.9g, tolerance %.3g", i, actual[i],
                  expected[i], tolerance[i]);
    return {false, error / tolerance[i], text};
  }
  return {true, share, ""};
}

/// Prints the share of the tolerance that was used.
inline void expect_close(std::span<const double> actual, std::span<const double> expected,
                         std::span<const double> tolerance, const std::string& what) {
  const Comparison result = compare(actual, expected, tolerance);
  EXPECT_TRUE(result.passed) << what << ": " << result.text;
  std::printf("[    SHARE ] %.3f of tolerance: %s (%zu values)\n", result.share, what.c_str(),
              actual.size());
}
inline void expect_close(std::span<const float> actual, std::span<const double> expected,
                         std::span<const double> tolerance, const std::string& what) {
  expect_close(std::vector<double>(actual.begin(), actual.end()), expected, tolerance, what);
}

}  // namespace earshot
