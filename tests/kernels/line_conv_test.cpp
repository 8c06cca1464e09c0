#include "kernels/line_conv.h"

#include "tests/kernels/filtering_body.h"
#include "tests/reference/winograd_bound.h"

namespace earshot {
namespace {

using reference::Values;

PooledConvShape pooled(const ConvolutionShape& s) {
  return {s.n, s.h, s.w, s.c_in, s.c_out, s.kernel_h, s.kernel_w, s.pool_h, s.pool_w};
}

class LineConvTest : public testing::TestWithParam<std::tuple<ConvolutionShape, Simd, int64_t>> {
 protected:
  void SetUp() override {
    if (!LineConv::fits(pooled(s), tile)) GTEST_SKIP() << "windows across tiles";
    if (simd == Simd::kAvx512 && best_simd() != Simd::kAvx512) GTEST_SKIP() << "no AVX-512 here";
  }
  struct Output {
    std::vector<float> y;
    reference::Cells argmax;
  };
  Output forward(int threads, bool winners = true) {
    Output out{std::vector<float>(static_cast<size_t>(s.y().count()), kNan), {}};
    if (s.pooled() && winners) out.argmax.assign(out.y.size(), 255);
    const LineConv line(pooled(s), threads, tile, simd);
    Scratch scratch(line.forward_scratch());
    line.forward({x.data(), weight.data(), bias.data(), out.y.data(), out.argmax.data()},
                 scratch.data());
    return out;
  }
  ConvolutionShape s = std::get<0>(GetParam());
  Simd simd = std::get<1>(GetParam());
  int64_t tile = std::get<2>(GetParam());
  std::vector<float> x = random_values(s.x().count(), 1);
  std::vector<float> weight = random_values(s.weight().count(), 2);
  std::vector<float> bias = random_values(s.c_out, 3);
};

TEST_P(LineConvTest, ForwardMatches) {
  const Output out = forward(2);
  const auto expected = reference::convolution(s, widen(x), widen(weight), widen(bias));
  const int64_t group = tile == LineConv::kTile ? 4 : 6;  // taps, for c_in products
  const int64_t groups = (s.kernel_w + group - 1) / group;
  const Values tolerance =
      rounding(growth(reference::winograd_terms(s, tile, s.c_in * groups)),
               reference::line_output_sizes(s, tile, absolute(widen(x)), absolute(widen(weight)),
                                            absolute(widen(bias))));
  expect_close(out.y, expected.y, tolerance, "y");
  expect_small_deviation(out.y, expected.y, "y",
                         tile == LineConv::kTile ? kDeviation : kDeviationOfLargerTiles);
  if (s.pooled())
    expect_winners(s, reference::convolve(s, widen(x), widen(weight), widen(bias)), out.argmax,
                   expected.y, tolerance);
}

TEST_P(LineConvTest, BitsDoNotDependOnWhetherWinnersAreKept) {
  EXPECT_EQ(forward(2, false).y, forward(2).y);
}

TEST_P(LineConvTest, BitsDoNotDependOnThreads) {
  const Output one = forward(1), three = forward(3);
  EXPECT_EQ(one.y, three.y);
  EXPECT_EQ(one.argmax, three.argmax);
}

// n h w c_in c_out kernel pool
INSTANTIATE_TEST_SUITE_P(
    Shapes, LineConvTest,
    testing::Combine(testing::Values(ConvolutionShape{1, 1, 1, 32, 32, 1, 11, 1, 1},
                                     ConvolutionShape{2, 1, 67, 32, 32, 1, 11, 1, 16},
                                     ConvolutionShape{1, 1, 451, 32, 32, 1, 11, 1, 8},
                                     ConvolutionShape{1, 1, 390, 32, 64, 1, 9, 1, 1},
                                     ConvolutionShape{3, 1, 48, 64, 32, 1, 9, 1, 16},
                                     ConvolutionShape{2, 1, 21, 128, 96, 1, 7, 1, 4},
                                     ConvolutionShape{1, 1, 33, 32, 32, 1, 16, 1, 16},
                                     ConvolutionShape{1, 1, 7, 64, 32, 1, 2, 1, 1}),
                     testing::Values(Simd::kAvx2, Simd::kAvx512),
                     testing::Values(LineConv::kTile, LineConv::kForwardTile)));

TEST(LineConvFits, OnlyWhatItComputes) {
  const PooledConvShape good{1, 1, 99, 64, 64, 1, 11, 1, 16};
  EXPECT_TRUE(LineConv::fits(good));
  for (const auto& spoil : std::vector<void (*)(PooledConvShape&)>{
           [](PooledConvShape& s) { s.h = 2; }, [](PooledConvShape& s) { s.c_in = 16; },
           [](PooledConvShape& s) { s.c_out = 544; }, [](PooledConvShape& s) { s.kernel_w = 17; },
           [](PooledConvShape& s) { s.pool_w = 2; }, [](PooledConvShape& s) { s.pool_h = 2; }}) {
    PooledConvShape bad = good;
    spoil(bad);
    EXPECT_FALSE(LineConv::fits(bad));
  }
  PooledConvShape narrow = good;
  narrow.pool_w = 4;
  EXPECT_TRUE(LineConv::fits(narrow));
  EXPECT_FALSE(LineConv::fits(narrow, LineConv::kForwardTile));
}

}  // namespace
}  // namespace earshot
