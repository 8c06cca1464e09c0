// Tests of distributions with fixed seeds: repeatable, and so strict that sound draws fail about
// once in a million seeds.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace earshot {

/// Chi-square against equal shares: at most six standard deviations above its mean.
inline void expect_even(const std::vector<int64_t>& counts, const char* what) {
  double draws = 0, statistic = 0;
  for (const int64_t count : counts) draws += static_cast<double>(count);
  const double expected = draws / static_cast<double>(counts.size());
  ASSERT_GE(expected, 5) << what << ": too few draws for a chi-square";
  for (const int64_t count : counts)
    statistic += std::pow(static_cast<double>(count) - expected, 2) / expected;
  const double freedom = static_cast<double>(counts.size()) - 1;
  EXPECT_LE(statistic, freedom + 6 * std::sqrt(2 * freedom)) << what;
}

/// Kolmogorov-Smirnov: the largest distance between the draws' and the expected distribution.
/// P(D > 2.7 / sqrt(n)) < 2 exp(-2 2.7^2) = 1e-6.
inline void expect_distribution(std::vector<double> draws,
                                const std::function<double(double)>& cumulative, const char* what) {
  ASSERT_GE(draws.size(), 100u) << what;
  std::sort(draws.begin(), draws.end());
  const double n = static_cast<double>(draws.size());
  double distance = 0;
  for (size_t i = 0; i < draws.size(); ++i) {
    const double expected = cumulative(draws[i]), below = static_cast<double>(i) / n;
    distance = std::max({distance, std::abs(expected - below), std::abs(below + 1 / n - expected)});
  }
  EXPECT_LE(distance, 2.7 / std::sqrt(n)) << what;
}

/// A mean of n draws with the given standard deviation each: within 5.5 standard deviations.
inline void expect_mean(const std::vector<double>& draws, double mean, double deviation,
                        const char* what) {
  ASSERT_FALSE(draws.empty()) << what;
  double sum = 0;
  for (const double x : draws) sum += x;
  const double n = static_cast<double>(draws.size());
  EXPECT_LE(std::abs(sum / n - mean), 5.5 * deviation / std::sqrt(n)) << what;
}

}  // namespace earshot
