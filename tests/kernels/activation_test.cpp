#include "kernels/activation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

TEST(ReluBackward, PassesOnlyWhereTheOutputIsPositive) {
  for (const int64_t count : {1, 3, 17, 64, 1001}) {
    std::vector<float> y = coarse_values(count, 1);  // zeros among them
    for (float& value : y) value = std::max(value, 0.0f);
    std::vector<float> dy = random_values(count, 2);
    const std::vector<double> expected = reference::relu_backward(widen(y), widen(dy));
    relu_backward(count, y.data(), dy.data());
    expect_close(dy, expected, std::vector<double>(dy.size(), 0.0), "ReLU dy");
  }
}

constexpr int64_t kCells = 100003;

constexpr uint32_t kThree = 3, kFour = 4;  // steps

std::vector<float> dropped(const DropoutMask& mask) {
  const std::vector<float> ones(kCells, 1.0f);
  std::vector<float> y(kCells, -1.0f);
  dropout(mask, kCells, ones.data(), y.data());
  return y;
}

int64_t kept(const std::vector<float>& y) {
  return std::count_if(y.begin(), y.end(), [](float x) { return x != 0; });
}

// Within six standard deviations of a binomial.
TEST(DropoutKernel, KeepsTheRightShareAndTheMean) {
  for (const float rate : {0.1f, 0.5f, 0.9f}) {
    const std::vector<float> y = dropped({rate, 7, &kThree, 2});
    const double keep = 1 - static_cast<double>(rate), n = kCells;
    EXPECT_LE(std::abs(static_cast<double>(kept(y)) - n * keep),
              6 * std::sqrt(n * keep * (1 - keep)))
        << rate;
    for (const float x : y)
      if (x != 0) {
        ASSERT_LE(std::abs(static_cast<double>(x) * keep - 1), kUnit * growth(1));
      }
  }
}

TEST(DropoutKernel, IsPhiloxOfSeedStepLayerAndCell) {
  const uint32_t step = 11;
  const DropoutMask mask{0.3f, 0x123456789abcdef0u, &step, 5};
  const std::vector<float> y = dropped(mask);
  for (int64_t cell = 0; cell < kCells; cell += 997) {
    const PhiloxBlock block = philox4x32(
        {{static_cast<uint32_t>(cell / 4), 11, 5, static_cast<uint32_t>(Purpose::kDropout)}},
        0x9abcdef0u, 0x12345678u);
    EXPECT_EQ(y[cell] != 0, block.v[cell % 4] / 4294967296.0 >= 0.3) << cell;
  }
}

// Two masks of rate 1/2 that share no randomness agree in half of the cells.
TEST(DropoutKernel, StepsLayersSeedsAndNeighboursAreIndependent) {
  const std::vector<float> y = dropped({0.5f, 7, &kThree, 2});
  std::vector<float> shifted(y.begin() + 1, y.end());
  shifted.push_back(y.front());
  for (const std::vector<float>& other :
       {dropped({0.5f, 8, &kThree, 2}), dropped({0.5f, 7, &kFour, 2}),
        dropped({0.5f, 7, &kThree, 3}), shifted}) {
    int64_t agree = 0;
    for (size_t i = 0; i < y.size(); ++i) agree += (y[i] != 0) == (other[i] != 0) ? 1 : 0;
    EXPECT_LE(std::abs(static_cast<double>(agree) - kCells / 2.0), 6 * std::sqrt(kCells / 4.0));
  }
}

TEST(DropoutKernel, RateZeroIsTheIdentityAndInPlaceIsTheSame) {
  std::vector<float> x = random_values(1001, 4), y(1001);
  dropout({0.0f, 7, &kThree, 2}, 1001, x.data(), y.data());
  EXPECT_EQ(y, x);
  dropout({0.4f, 7, &kThree, 2}, 1001, x.data(), y.data());
  dropout({0.4f, 7, &kThree, 2}, 1001, x.data(), x.data());
  EXPECT_EQ(y, x);
}

}  // namespace
}  // namespace earshot
