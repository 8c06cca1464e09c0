// Element-wise device code has its functor in common with the CPU: the same bits.
#include <gtest/gtest.h>

#include "kernels/activation.h"
#include "kernels/adam.h"
#include "tests/emulator/emulator.h"
#include "tests/kernels/stored.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using emulator::InOut;
using emulator::Input;
using emulator::Output;

class EmulatedElementwise : public testing::TestWithParam<int64_t> {
 protected:
  int64_t count = GetParam();
};

TEST_P(EmulatedElementwise, AdamIsTheCpus) {
  std::vector<float> p = random_values(count, 1), m = random_values(count, 2),
                     v = random_values(count, 3, 0, 1);
  const std::vector<float> g = random_values(count, 4);
  const AdamStep step = adam_step(3, 1e-3, 0.9, 0.999, 1e-7, 0.01);
  InOut<float> on_p("p", p), on_m("m", m), on_v("v", v);
  const Input<float> on_g("g", g);
  const Input<AdamStep> on_step("step", {step});
  for (const int32_t skip : {0, 1}) {
    const Input<int32_t> on_skip("skip", {skip});
    cuda::adam(on_p.data(), on_g.data(), on_m.data(), on_v.data(), count, on_step.data(),
               on_skip.data(), nullptr);
    adam(p.data(), g.data(), m.data(), v.data(), count, &step, &skip);
    EXPECT_EQ(on_p.values(), p);
    EXPECT_EQ(on_m.values(), m);
    EXPECT_EQ(on_v.values(), v);
  }
}

template <typename T>
void relu_backward_is_the_cpus(int64_t count) {
  const std::vector<float> y = coarse_values(count, 1);  // zeros among them
  std::vector<float> dy = representable<T>(random_values(count, 2));
  const Input<T> on_y("y", stored<T>(y));
  InOut<T> on_dy("dy", stored<T>(dy));
  cuda::relu_backward(count, on_y.data(), on_dy.data(), nullptr);
  relu_backward(count, y.data(), dy.data());
  EXPECT_EQ(loaded(on_dy.values()), dy);
}
TEST_P(EmulatedElementwise, ReluBackwardIsTheCpus) { relu_backward_is_the_cpus<float>(count); }
TEST_P(EmulatedElementwise, ReluBackwardIsTheCpusInBf16) { relu_backward_is_the_cpus<Bf16>(count); }

TEST_P(EmulatedElementwise, ConversionsAreTheCpus) {
  const std::vector<float> x = random_values(count, 1);
  const Input<float> on_x("x", x);
  Output<Bf16> narrow("narrow", count);
  Output<float> wide("wide", count);
  cuda::convert(count, on_x.data(), narrow.data(), nullptr);
  cuda::convert(count, narrow.data(), wide.data(), nullptr);
  EXPECT_EQ(narrow.values(), stored<Bf16>(x));
  EXPECT_EQ(wide.values(), representable<Bf16>(x));
}

TEST_P(EmulatedElementwise, DropoutIsTheCpusAlsoInPlace) {
  const uint32_t step = 11;
  const Input<uint32_t> on_step("step", {step});
  const DropoutMask mask{0.3f, 0x123456789abcdef0u, &step, 5},
      on_mask{0.3f, 0x123456789abcdef0u, on_step.data(), 5};
  std::vector<float> x = random_values(count, 1);
  InOut<float> on_x("x", x);
  Output<float> on_y("y", count);
  cuda::dropout(on_mask, count, on_x.data(), on_y.data(), nullptr);
  cuda::dropout(on_mask, count, on_x.data(), on_x.data(), nullptr);
  dropout(mask, count, x.data(), x.data());
  EXPECT_EQ(on_y.values(), x);
  EXPECT_EQ(on_x.values(), x);
}

INSTANTIATE_TEST_SUITE_P(OddSizes, EmulatedElementwise,
                         testing::Values(1, 3, 255, 256, 257, 1001, 70000));

TEST(EmulatedElementwise, NothingToDoIsNoLaunch) {
  cuda::relu_backward<float>(0, nullptr, nullptr, nullptr);
}

TEST(EmulatedElementwise, BiasRelu) {
  for (const auto& [rows, c] : {std::pair<int64_t, int64_t>{1, 1}, {1, 257}, {33, 5}, {32, 512}}) {
    const std::vector<float> bias = random_values(c, 1), y = random_values(rows * c, 2);
    const Input<float> on_bias("bias", bias);
    InOut<float> on_y("y", y);
    cuda::bias_relu(rows, c, on_bias.data(), on_y.data(), nullptr);
    const std::vector<float> got = on_y.values();
    for (size_t i = 0; i < y.size(); ++i)
      EXPECT_EQ(got[i], std::max(y[i] + bias[i % static_cast<size_t>(c)], 0.0f)) << i;
  }
}

}  // namespace
}  // namespace earshot
