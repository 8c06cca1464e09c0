#include "kernels/winograd.h"

#include "tests/kernels/filtering_body.h"
#include "tests/reference/winograd_bound.h"

namespace earshot {
namespace {

using reference::Values;

struct WinogradCase {
  ConvolutionShape shape;
  Simd simd;
  int64_t tile;
};

PooledConvShape pooled(const ConvolutionShape& s) {
  return {s.n, s.h, s.w, s.c_in, s.c_out, s.kernel_h, s.kernel_w, s.pool_h, s.pool_w};
}

class WinogradTest : public testing::TestWithParam<WinogradCase> {
 protected:
  void SetUp() override {
    if (GetParam().simd == Simd::kAvx512 && best_simd() != Simd::kAvx512)
      GTEST_SKIP() << "no AVX-512 here";
  }
  struct Output {
    std::vector<float> y;
    reference::Cells argmax;
  };
  Output forward(int threads, bool winners = true) {
    Output out{std::vector<float>(static_cast<size_t>(s.y().count()), kNan), {}};
    if (s.pooled() && winners) out.argmax.assign(out.y.size(), 255);
    const Winograd winograd(pooled(s), threads, tile, GetParam().simd);
    Scratch scratch(winograd.forward_scratch());
    winograd.forward({x.data(), weight.data(), bias.data(), out.y.data(), out.argmax.data()},
                     scratch.data());
    return out;
  }
  struct Gradients {
    std::vector<float> dx, dweight, dbias;
  };
  Gradients backward(const Output& saved, int threads) {
    Gradients g{std::vector<float>(x.size(), kNan), std::vector<float>(weight.size(), kNan),
                std::vector<float>(bias.size(), kNan)};
    const Winograd winograd(pooled(s), threads, tile, GetParam().simd);
    Scratch for_data(winograd.data_scratch()), for_weight(winograd.weight_scratch());
    const PooledConvBackward t{x.data(),  weight.data(), saved.y.data(),   saved.argmax.data(),
                               dy.data(), g.dx.data(),   g.dweight.data(), g.dbias.data(),
                               nullptr};
    winograd.data_gradient(t, for_data.data());
    winograd.weight_gradient(t, for_weight.data());
    return g;
  }

  ConvolutionShape s = GetParam().shape;
  int64_t tile = GetParam().tile;
  std::vector<float> x = random_values(s.x().count(), 1);
  std::vector<float> weight = random_values(s.weight().count(), 2);
  std::vector<float> bias = random_values(s.c_out, 3);
  std::vector<float> dy = random_values(s.y().count(), 4);
};

TEST_P(WinogradTest, ForwardMatches) {
  const Output out = forward(2);
  const auto expected = reference::convolution(s, widen(x), widen(weight), widen(bias));
  const Values tolerance =
      rounding(growth(reference::winograd_terms(s, tile, s.c_in)),
               reference::winograd_output_sizes(s, tile, absolute(widen(x)),
                                                absolute(widen(weight)), absolute(widen(bias))));
  expect_close(out.y, expected.y, tolerance, "y");
  expect_small_deviation(out.y, expected.y, "y",
                         tile == Winograd::kTile ? kDeviation : kDeviationOfLargerTiles);
  if (!s.pooled()) return;
  expect_winners(s, reference::convolve(s, widen(x), widen(weight), widen(bias)), out.argmax,
                 expected.y, tolerance);
}

TEST_P(WinogradTest, GradientsMatch) {
  if (tile != Winograd::kTile) GTEST_SKIP() << "forward alone";
  const Output out = forward(2);
  const Gradients g = backward(out, 2);
  const reference::Pooled saved{
      widen(out.y), s.pooled() ? out.argmax : reference::Cells(out.y.size(), 0), {}};
  const auto expected =
      reference::convolution_backward(s, widen(x), widen(weight), saved, widen(dy));
  const auto sizes = reference::winograd_gradient_sizes(
      s, absolute(widen(x)), absolute(widen(weight)),
      reference::max_pool_relu_backward({s.n, s.h, s.w, s.c_out, s.pool_h, s.pool_w}, saved.y,
                                        saved.argmax, absolute(widen(dy))));
  expect_close(g.dx, expected.dx,
               rounding(growth(reference::winograd_terms(s, tile, s.c_out)), sizes.dx), "dx");
  expect_close(g.dweight, expected.dweight,
               rounding(growth(reference::winograd_terms(s, tile, s.y().rows())), sizes.dweight),
               "dweight");
  expect_small_deviation(g.dx, expected.dx, "dx");
  expect_small_deviation(g.dweight, expected.dweight, "dweight");
  const Values bias_sizes =
      reference::convolution_backward(s, widen(x), widen(weight), saved, absolute(widen(dy))).dbias;
  expect_close(g.dbias, expected.dbias, rounding(growth(s.y().rows()), bias_sizes), "dbias");
}

TEST_P(WinogradTest, BitsDoNotDependOnWhetherWinnersAreKept) {
  EXPECT_EQ(forward(2, false).y, forward(2).y);
}

TEST_P(WinogradTest, BitsDoNotDependOnThreads) {
  const Output one = forward(1), three = forward(3);
  EXPECT_EQ(one.y, three.y);
  EXPECT_EQ(one.argmax, three.argmax);
  if (tile != Winograd::kTile) return;
  const Gradients a = backward(one, 1), b = backward(one, 3);
  EXPECT_EQ(a.dx, b.dx);
  EXPECT_EQ(a.dweight, b.dweight);
  EXPECT_EQ(a.dbias, b.dbias);
}

std::vector<WinogradCase> cases() {
  // n h w c_in c_out kernel pool
  const ConvolutionShape shapes[] = {
      {1, 1, 1, 32, 32, 4, 4, 1, 1},   // one cell
      {2, 9, 11, 64, 64, 4, 4, 2, 2},  // a last row and column that no window has
      {1, 12, 13, 32, 64, 4, 4, 1, 1}, {2, 33, 35, 32, 32, 4, 4, 2, 2},
      {3, 8, 12, 64, 32, 4, 4, 4, 1},   // more tiles than a block
      {5, 13, 26, 64, 32, 4, 4, 2, 4},  // parts of several blocks
      {1, 7, 10, 64, 128, 3, 3, 2, 4}, {2, 5, 9, 32, 96, 3, 3, 1, 1},
      {2, 4, 3, 160, 32, 3, 3, 2, 2},
  };
  std::vector<WinogradCase> all;
  for (const ConvolutionShape& shape : shapes)
    for (const Simd simd : {Simd::kAvx2, Simd::kAvx512})
      for (const int64_t tile : {Winograd::kTile, Winograd::kForwardTile})
        if (Winograd::fits(pooled(shape), tile)) all.push_back({shape, simd, tile});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Shapes, WinogradTest, testing::ValuesIn(cases()), [](const auto& of) {
  const ConvolutionShape& s = of.param.shape;
  return fmt::format("n{}h{}w{}_c{}to{}_k{}_p{}x{}_tile{}_{}", s.n, s.h, s.w, s.c_in, s.c_out,
                     s.kernel_h, s.pool_h, s.pool_w, of.param.tile,
                     of.param.simd == Simd::kAvx2 ? "avx2" : "avx512");
});

TEST(WinogradFits, OnlyWhatItComputes) {
  const PooledConvShape good{1, 8, 8, 64, 64, 4, 4, 2, 2};
  EXPECT_TRUE(Winograd::fits(good));
  for (const auto& spoil : std::vector<void (*)(PooledConvShape&)>{
           [](PooledConvShape& s) { s.c_in = 48; }, [](PooledConvShape& s) { s.c_out = 1; },
           [](PooledConvShape& s) { s.kernel_w = 3; }, [](PooledConvShape& s) { s.pool_h = 3; },
           [](PooledConvShape& s) { s.kernel_h = s.kernel_w = 5; },
           [](PooledConvShape& s) { s.c_in = 544; }}) {
    PooledConvShape bad = good;
    spoil(bad);
    EXPECT_FALSE(Winograd::fits(bad));
  }
  EXPECT_TRUE(Winograd::fits(good, Winograd::kForwardTile));
  PooledConvShape bad = good;
  bad.pool_w = 4;  // windows across tiles
  EXPECT_FALSE(Winograd::fits(bad, Winograd::kForwardTile));
  bad = good;
  bad.kernel_h = bad.kernel_w = 3;
  EXPECT_FALSE(Winograd::fits(bad, Winograd::kForwardTile));
}

}  // namespace
}  // namespace earshot
