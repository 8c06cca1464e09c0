#include <gtest/gtest.h>

#include "kernels/pool.h"
#include "tests/emulator/emulator.h"
#include "tests/kernels/stored.h"
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

  template <typename T>
  void takes_the_first_of_equals() const;
  template <typename T>
  void gradient_goes_to_the_positive_winner() const;
};

class EmulatedMaxPoolInBf16 : public EmulatedMaxPool {};

// Coarse values: most windows hold the maximum more than once. All types store them exactly.
template <typename T>
void EmulatedMaxPool::takes_the_first_of_equals() const {
  const std::vector<float> x = coarse_values(in, 1);
  const Input<T> on_x("x", stored<T>(x));
  Output<T> y("y", out);
  Output<uint8_t> argmax("argmax", out);
  cuda::max_pool_forward(s, on_x.data(), y.data(), argmax.data(), nullptr);
  const auto expected = reference::max_pool(s, widen(x));
  expect_close(loaded(y.values()), expected.y, Values(expected.y.size(), 0.0), "max-pool y");
  EXPECT_EQ(argmax.values(), expected.argmax);
  Output<T> alone("y without winners", out);
  cuda::max_pool_forward(s, on_x.data(), alone.data(), nullptr, nullptr);
  EXPECT_EQ(loaded(alone.values()), loaded(y.values()));
}

TEST_P(EmulatedMaxPool, TakesTheFirstOfEquals) { takes_the_first_of_equals<float>(); }
TEST_P(EmulatedMaxPoolInBf16, TakesTheFirstOfEquals) { takes_the_first_of_equals<Bf16>(); }

template <typename T>
void EmulatedMaxPool::gradient_goes_to_the_positive_winner() const {
  const auto forward = reference::max_pool(s, widen(coarse_values(in, 2)));
  const std::vector<float> dy = representable<T>(random_values(out, 3));
  const Input<T> y("y", stored<T>({forward.y.begin(), forward.y.end()})),
      on_dy("dy", stored<T>(dy));
  const Input<uint8_t> argmax("argmax", forward.argmax);
  Output<T> dx("dx", in);
  cuda::max_pool_relu_backward(s, y.data(), argmax.data(), on_dy.data(), dx.data(), nullptr);
  const Values expected =
      reference::max_pool_relu_backward(s, forward.y, forward.argmax, widen(dy));
  expect_close(loaded(dx.values()), expected, Values(expected.size(), 0.0), "max-pool dx");
}

TEST_P(EmulatedMaxPool, GradientGoesToThePositiveWinner) {
  gradient_goes_to_the_positive_winner<float>();
}
TEST_P(EmulatedMaxPoolInBf16, GradientGoesToThePositiveWinner) {
  gradient_goes_to_the_positive_winner<Bf16>();
}

const PoolShape kOddSizes[] = {
    {1, 1, 1, 1, 1, 1},    {2, 5, 7, 3, 2, 2},     {3, 9, 11, 17, 2, 4},
    {1, 2, 3, 64, 2, 2},   {2, 7, 5, 100, 3, 2},   {1, 1, 37, 32, 1, 8},
    {3, 1, 33, 65, 1, 16}, {1, 16, 16, 1, 16, 16}, {1, 19, 17, 129, 1, 16}};
// The pools of the networks (paper Tables 1 and 2), shortened.
const PoolShape kNetworks[] = {
    {2, 1, 100, 32, 1, 8}, {2, 1, 100, 64, 1, 16}, {1, 1, 172, 128, 1, 16}, {2, 1, 21, 256, 1, 16},
    {2, 16, 22, 64, 2, 2}, {2, 16, 25, 128, 2, 4}, {2, 4, 5, 256, 2, 2}};
INSTANTIATE_TEST_SUITE_P(OddSizes, EmulatedMaxPool, testing::ValuesIn(kOddSizes));
INSTANTIATE_TEST_SUITE_P(OddSizes, EmulatedMaxPoolInBf16, testing::ValuesIn(kOddSizes));
INSTANTIATE_TEST_SUITE_P(Networks, EmulatedMaxPool, testing::ValuesIn(kNetworks));
INSTANTIATE_TEST_SUITE_P(Networks, EmulatedMaxPoolInBf16, testing::ValuesIn(kNetworks));
INSTANTIATE_TEST_SUITE_P(MoreRowsThanBlocks, EmulatedMaxPool,
                         testing::Values(PoolShape{65537, 1, 2, 1, 1, 2}));

}  // namespace
}  // namespace earshot
