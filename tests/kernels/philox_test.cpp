#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace earshot {
namespace {

void expect_block(const PhiloxBlock& got, const PhiloxBlock& want) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(got.v[i], want.v[i]) << "word " << i;
}

// The three philox4x32-10 lines of kat_vectors in the Random123 distribution.
TEST(Philox, KnownAnswers) {
  expect_block(philox4x32({{0, 0, 0, 0}}, 0, 0),
               {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}});
  constexpr uint32_t kOnes = 0xffffffff;
  expect_block(philox4x32({{kOnes, kOnes, kOnes, kOnes}}, kOnes, kOnes),
               {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}});
  expect_block(
      philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
      {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}});
}

TEST(Random, WalksTheCounterOfItsName) {
  Random random(0x1122334455667788u, Purpose::kAugment, 5, 6);
  for (uint32_t block = 0; block < 3; ++block) {
    const PhiloxBlock want = philox4x32({{block, 5, 6, 3}}, 0x55667788u, 0x11223344u);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(random.bits(), want.v[i]);
  }
}

/// The chi-square statistic exceeds its mean by six standard deviations (sqrt(2 dof)) about once
/// in 10^7 sound generators; the seeds here are fixed, so the tests are repeatable.
void expect_even(const std::vector<int64_t>& counts, int64_t draws) {
  const double expected = static_cast<double>(draws) / static_cast<double>(counts.size());
  double chi_square = 0;
  for (const int64_t count : counts) {
    const double difference = static_cast<double>(count) - expected;
    chi_square += difference * difference / expected;
  }
  const double freedom = static_cast<double>(counts.size()) - 1;
  EXPECT_LE(chi_square, freedom + 6 * std::sqrt(2 * freedom));
  EXPECT_GT(chi_square, 0);
}

TEST(Random, BelowIsEven) {
  constexpr int64_t kDraws = 1 << 18;
  for (const uint64_t count : {2u, 3u, 41u, 1000u}) {
    Random random(7, Purpose::kShuffle, 0, 0);
    std::vector<int64_t> counts(count);
    for (int64_t i = 0; i < kDraws; ++i) {
      const uint64_t drawn = random.below(count);
      ASSERT_LT(drawn, count);
      ++counts[drawn];
    }
    expect_even(counts, kDraws);
  }
}

TEST(Random, BelowReachesBothEndsOfLargeAndSmallRanges) {
  Random random(8, Purpose::kFolds, 0, 0);
  uint64_t lowest = UINT64_MAX, highest = 0;
  for (int i = 0; i < 4096; ++i) {
    EXPECT_EQ(random.below(1), 0u);
    const uint64_t drawn = random.below(UINT64_MAX);
    lowest = std::min(lowest, drawn);
    highest = std::max(highest, drawn);
  }
  EXPECT_LE(lowest, UINT64_MAX / 256);
  EXPECT_GE(highest, UINT64_MAX - UINT64_MAX / 256);
}

TEST(Random, UniformIsEven) {
  constexpr int64_t kDraws = 1 << 18;
  Random random(9, Purpose::kInitialWeights, 1, 2);
  std::vector<int64_t> coarse(64), fine(64);  // the upper six bits and the six after them
  double sum = 0;
  for (int64_t i = 0; i < kDraws; ++i) {
    const double x = random.uniform();
    ASSERT_GE(x, 0.0);
    ASSERT_LT(x, 1.0);
    sum += x;
    ++coarse[static_cast<size_t>(x * 64)];
    ++fine[static_cast<size_t>(x * 4096) % 64];
  }
  expect_even(coarse, kDraws);
  expect_even(fine, kDraws);
  // The mean of n uniform numbers has standard deviation 1 / sqrt(12 n).
  EXPECT_LE(std::abs(sum / kDraws - 0.5), 5 / std::sqrt(12.0 * kDraws));
}

std::vector<double> draws_of(Random random, size_t n) {
  std::vector<double> draws(n);
  for (double& x : draws) x = random.uniform();
  return draws;
}

TEST(Random, TheSameNameGivesTheSameNumbers) {
  EXPECT_EQ(draws_of(Random(1, Purpose::kAugment, 2, 3), 100),
            draws_of(Random(1, Purpose::kAugment, 2, 3), 100));
}

TEST(Random, StreamsOfDifferentNamesAreIndependent) {
  constexpr size_t kDraws = 1 << 14;
  const std::vector<Random> streams{Random(1, Purpose::kAugment, 2, 3),
                                    Random(2, Purpose::kAugment, 2, 3),
                                    Random(1 + (uint64_t{1} << 32), Purpose::kAugment, 2, 3),
                                    Random(1, Purpose::kShuffle, 2, 3),
                                    Random(1, Purpose::kAugment, 3, 3),
                                    Random(1, Purpose::kAugment, 2, 4),
                                    Random(1, Purpose::kAugment, 3, 2)};
  std::vector<std::vector<double>> draws;
  for (const Random& stream : streams) draws.push_back(draws_of(stream, kDraws));
  for (size_t i = 0; i < draws.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      double product = 0;
      for (size_t k = 0; k < kDraws; ++k) {
        EXPECT_NE(draws[i][k], draws[j][k]);  // 53 bits: equal by chance about never
        product += (draws[i][k] - 0.5) * (draws[j][k] - 0.5);
      }
      // Sample correlation: variance 1/12 each, standard deviation 1 / sqrt(n).
      const double correlation = 12 * product / static_cast<double>(kDraws);
      EXPECT_LE(std::abs(correlation), 5 / std::sqrt(static_cast<double>(kDraws)))
          << "streams " << i << " and " << j;
    }
}

}  // namespace
}  // namespace earshot
