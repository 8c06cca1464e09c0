#include <gtest/gtest.h>

#include "kernels/pool.h"
#include "tests/emulator/emulator.h"
#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using emulator::Input;
using emulator::Output;
using reference::Values;

class EmulatedMaxPool : public testing::TestWithParam<PoolShape> {
 protected:
  PoolShape s = GetParam();
  int64_t in = s.n * s.h * s.w * s.c, out = s.n * s.out_h() * s.out_w() * s.c;
};

// Coarse values: most windows hold the maximum more than once.
TEST_P(EmulatedMaxPool, TakesTheFirstOfEquals) {
  const std::vector<float> x = coarse_values(in, 1);
  const Input<float> on_x("x", x);
  Output<float> y("y", out);
  Output<uint8_t> argmax("argmax", out);
  cuda::max_pool_forward(s, on_x.data(), y.data(), argmax.data(), nullptr);
  const auto expected = reference::max_pool(s, widen(x));
  expect_close(y.values(), expected.y, Values(expected.y.size(), 0.0), "max-pool y");
  EXPECT_EQ(argmax.values(), expected.argmax);
}

TEST_P(EmulatedMaxPool, GradientGoesToThePositiveWinner) {
  const auto forward = reference::max_pool(s, widen(coarse_values(in, 2)));
  const std::vector<float> dy = random_values(out, 3);
  const Input<float> y("y", {forward.y.begin(), forward.y.end()}), on_dy("dy", dy);
  const Input<uint8_t> argmax("argmax", forward.argmax);
  Output<float> dx("dx", in);
  cuda::max_pool_relu_backward(s, y.data(), argmax.data(), on_dy.data(), dx.data(), nullptr);
  const Values expected =
      reference::max_pool_relu_backward(s, forward.y, forward.argmax, widen(dy));
  expect_close(dx.values(), expected, Values(expected.size(), 0.0), "max-pool dx");
}

INSTANTIATE_TEST_SUITE_P(
    OddSizes, EmulatedMaxPool,
    testing::Values(PoolShape{1, 1, 1, 1, 1, 1}, PoolShape{2, 5, 7, 3, 2, 2},
                    PoolShape{3, 9, 11, 17, 2, 4}, PoolShape{1, 2, 3, 64, 2, 2},
                    PoolShape{2, 7, 5, 100, 3, 2}, PoolShape{1, 1, 37, 32, 1, 8},
                    PoolShape{3, 1, 33, 65, 1, 16}, PoolShape{1, 16, 16, 1, 16, 16},
                    PoolShape{1, 19, 17, 129, 1, 16}, PoolShape{65537, 1, 2, 1, 1, 2}));
// The pools of the networks (paper Tables 1 and 2), shortened.
INSTANTIATE_TEST_SUITE_P(
    Networks, EmulatedMaxPool,
    testing::Values(PoolShape{2, 1, 100, 32, 1, 8}, PoolShape{2, 1, 100, 64, 1, 16},
                    PoolShape{1, 1, 172, 128, 1, 16}, PoolShape{2, 1, 21, 256, 1, 16},
                    PoolShape{2, 16, 22, 64, 2, 2}, PoolShape{2, 16, 25, 128, 2, 4},
                    PoolShape{2, 4, 5, 256, 2, 2}));

}  // namespace
}  // namespace earshot
