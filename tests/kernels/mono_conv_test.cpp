#include "kernels/mono_conv.h"

#include <gtest/gtest.h>
#include <omp.h>

#include <limits>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Values;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();  // what outputs hold before

using Case = std::tuple<ConvolutionShape, Simd>;

class MonoConv : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (simd == Simd::kAvx512 && best_simd() != Simd::kAvx512) GTEST_SKIP() << "no AVX-512 here";
  }
  /// With y so many floats behind a cache line.
  std::vector<float> forward(size_t behind = 0) {
    const auto count = static_cast<size_t>(s.y().count());
    std::vector<float> out(count + 16, kNan);
    std::vector<float> scratch(static_cast<size_t>(mono_conv_forward_scratch(shape)), kNan);
    float* y = out.data();
    while (reinterpret_cast<uintptr_t>(y) % 64 != behind * sizeof(float)) ++y;
    mono_conv_forward(shape, {x.data(), weight.data(), bias.data(), y, nullptr}, scratch.data(),
                      simd);
    return {y, y + count};
  }
  struct Gradients {
    std::vector<float> dweight, dbias;
  };
  Gradients backward(const std::vector<float>& y) {
    Gradients g{std::vector<float>(weight.size(), kNan), std::vector<float>(bias.size(), kNan)};
    std::vector<float> scratch(static_cast<size_t>(mono_conv_weight_scratch(shape)), kNan);
    mono_conv_weight_gradient(shape,
                              {x.data(), weight.data(), y.data(), nullptr, dy.data(), nullptr,
                               g.dweight.data(), g.dbias.data(), nullptr},
                              scratch.data(), simd);
    return g;
  }

  ConvolutionShape s = std::get<0>(GetParam());
  Simd simd = std::get<1>(GetParam());
  PooledConvShape shape{s.n, s.h, s.w, s.c_in, s.c_out, s.kernel_h, s.kernel_w, 1, 1};
  std::vector<float> x = random_values(s.x().count(), 1);
  std::vector<float> weight = random_values(s.weight().count(), 2);
  std::vector<float> bias = random_values(s.c_out, 3);
  std::vector<float> dy = random_values(s.y().count(), 4);
};

TEST_P(MonoConv, ForwardMatches) {
  const auto expected = reference::convolution(s, widen(x), widen(weight), widen(bias));
  const Values sizes =
      reference::convolution(s, absolute(widen(x)), absolute(widen(weight)), absolute(widen(bias)))
          .y;
  expect_close(forward(), expected.y, rounding(growth(s.kernel_h * s.kernel_w), sizes), "y");
}

TEST_P(MonoConv, BitsDoNotDependOnTheAlignment) { EXPECT_EQ(forward(0), forward(1)); }

TEST_P(MonoConv, GradientMatches) {
  const std::vector<float> y = forward();
  const reference::Pooled saved{widen(y), reference::Cells(y.size(), 0), {}};
  const Gradients g = backward(y);
  const auto expected =
      reference::convolution_backward(s, widen(x), widen(weight), saved, widen(dy));
  const auto sizes = reference::convolution_backward(s, absolute(widen(x)), absolute(widen(weight)),
                                                     saved, absolute(widen(dy)));
  const double sum = growth(s.y().rows());
  expect_close(g.dweight, expected.dweight, rounding(sum, sizes.dweight), "dweight");
  expect_close(g.dbias, expected.dbias, rounding(sum, sizes.dbias), "dbias");
}

TEST_P(MonoConv, BitsDoNotDependOnThreads) {
  const int before = omp_get_max_threads();
  const std::vector<float> y = forward();
  omp_set_num_threads(1);
  const Gradients one = backward(y);
  omp_set_num_threads(3);
  const Gradients three = backward(y);
  omp_set_num_threads(before);
  EXPECT_EQ(one.dweight, three.dweight);
  EXPECT_EQ(one.dbias, three.dbias);
}

// n h w c_in c_out kernel pool
INSTANTIATE_TEST_SUITE_P(
    Shapes, MonoConv,
    testing::Combine(testing::Values(ConvolutionShape{1, 1, 1, 1, 32, 4, 4, 1, 1},
                                     ConvolutionShape{3, 9, 11, 1, 64, 4, 4, 1, 1},
                                     ConvolutionShape{2, 5, 300, 1, 32, 4, 4, 1, 1},
                                     ConvolutionShape{1, 1, 4, 1, 32, 1, 11, 1, 1},
                                     ConvolutionShape{2, 1, 517, 1, 96, 1, 11, 1, 1}),
                     testing::Values(Simd::kAvx2, Simd::kAvx512)));

TEST(MonoConvFits, OnlyWhatItComputes) {
  const PooledConvShape good{1, 8, 8, 1, 64, 4, 4, 1, 1};
  EXPECT_TRUE(mono_conv_fits(good));
  for (const auto& spoil : std::vector<void (*)(PooledConvShape&)>{
           [](PooledConvShape& s) { s.c_in = 2; }, [](PooledConvShape& s) { s.c_out = 48; },
           [](PooledConvShape& s) { s.kernel_w = 3; }, [](PooledConvShape& s) { s.pool_h = 2; }}) {
    PooledConvShape bad = good;
    spoil(bad);
    EXPECT_FALSE(mono_conv_fits(bad));
  }
}

}  // namespace
}  // namespace earshot
