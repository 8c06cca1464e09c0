#include "kernels/pool.h"

#include <gtest/gtest.h>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Cells;
using reference::Values;

constexpr float kStale = -7;  // what outputs hold before

class MaxPool : public testing::TestWithParam<PoolShape> {
 protected:
  PoolShape s = GetParam();
  size_t in = static_cast<size_t>(s.n * s.h * s.w * s.c);
  size_t out = static_cast<size_t>(s.n * s.out_h() * s.out_w() * s.c);
};

// Coarse values: most windows hold the maximum more than once.
TEST_P(MaxPool, TakesTheFirstOfEquals) {
  const std::vector<float> x = coarse_values(static_cast<int64_t>(in), 1);
  std::vector<float> y(out, kStale);
  Cells argmax(out, 255);
  max_pool_forward(s, x.data(), y.data(), argmax.data());
  const auto expected = reference::max_pool(s, widen(x));
  expect_close(y, expected.y, Values(out, 0.0), "max-pool y");
  EXPECT_EQ(argmax, expected.argmax);
  std::vector<float> alone(out, kStale);
  max_pool_forward(s, x.data(), alone.data(), nullptr);
  EXPECT_EQ(alone, y);
}

TEST_P(MaxPool, GradientGoesToThePositiveWinner) {
  const std::vector<float> x = coarse_values(static_cast<int64_t>(in), 2);
  const std::vector<float> dy = random_values(static_cast<int64_t>(out), 3);
  const auto forward = reference::max_pool(s, widen(x));
  const std::vector<float> y(forward.y.begin(), forward.y.end());
  std::vector<float> dx(in, kStale);
  max_pool_relu_backward(s, y.data(), forward.argmax.data(), dy.data(), dx.data());
  const Values expected =
      reference::max_pool_relu_backward(s, forward.y, forward.argmax, widen(dy));
  expect_close(dx, expected, Values(in, 0.0), "max-pool dx");
}

INSTANTIATE_TEST_SUITE_P(
    OddSizes, MaxPool,
    testing::Values(PoolShape{1, 1, 1, 1, 1, 1}, PoolShape{2, 5, 7, 3, 2, 2},
                    PoolShape{3, 9, 11, 17, 2, 4}, PoolShape{1, 2, 3, 64, 2, 2},
                    PoolShape{2, 7, 5, 100, 3, 2}, PoolShape{1, 1, 37, 32, 1, 8},
                    PoolShape{3, 1, 33, 65, 1, 16}, PoolShape{1, 16, 16, 1, 16, 16},
                    PoolShape{1, 19, 17, 129, 1, 16}));

TEST(MaxPool, NegativeWindowsKeepTheirMaximumAndNoGradient) {
  const PoolShape s{1, 2, 2, 1, 2, 2};
  const float x[] = {-3, -1, -2, -4}, dy = 5;
  float y, dx[4];
  uint8_t cell;
  max_pool_forward(s, x, &y, &cell);
  EXPECT_EQ(y, -1.0f);
  EXPECT_EQ(cell, 1);
  max_pool_relu_backward(s, &y, &cell, &dy, dx);
  for (const float g : dx) EXPECT_EQ(g, 0.0f);
}

}  // namespace
}  // namespace earshot
