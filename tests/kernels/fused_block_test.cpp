// The CPU's fused block against its kernels one after the other, and against the double reference.
#include "kernels/fused_block.h"

#include "kernels/line_conv.h"
#include "kernels/mono_conv.h"
#include "tests/kernels/filtering_body.h"

namespace earshot {
namespace {

using reference::Values;

struct Gradients {
  std::vector<float> dweight1, dbias1, dweight2, dbias2;
};

class FusedBlockTest : public testing::TestWithParam<std::tuple<FusedBlockShape, Simd>> {
 protected:
  void SetUp() override {
    if (simd == Simd::kAvx512 && best_simd() != Simd::kAvx512) GTEST_SKIP() << "no AVX-512 here";
  }
  struct Output {
    std::vector<float> z, y;
    reference::Cells argmax;
  };
  Output empty() const {
    const auto count = static_cast<size_t>(s.n * s.out_w() * s.c_out);
    return {std::vector<float>(static_cast<size_t>(s.n * s.w * s.c_mid), kNan),
            std::vector<float>(count, kNan), reference::Cells(count, 255)};
  }
  Output composed(int64_t tile) const {
    Output out = empty();
    const PooledConvShape one{s.n, 1, s.w, 1, s.c_mid, 1, kFusedTaps, 1, 1};
    const PooledConvShape two{s.n, 1, s.w, s.c_mid, s.c_out, 1, kFusedTaps, 1, s.pool};
    Scratch scratch(mono_conv_forward_scratch(one));
    mono_conv_forward(one, {x.data(), weight1.data(), bias1.data(), out.z.data(), nullptr},
                      scratch.data(), simd);
    const LineConv line(two, 1, tile, simd);
    Scratch more(line.forward_scratch());
    line.forward({out.z.data(), weight2.data(), bias2.data(), out.y.data(), out.argmax.data()},
                 more.data());
    return out;
  }
  Output fused(int64_t tile, int threads, bool winners = true) const {
    Output out = empty();
    if (!winners) out.argmax.clear();
    Scratch scratch(fused_block_forward_scratch(s, threads, tile));
    fused_block_forward(s,
                        {x.data(), weight1.data(), bias1.data(), weight2.data(), bias2.data(),
                         out.y.data(), out.argmax.data(), scratch.data()},
                        threads, tile, simd);
    return out;
  }
  Gradients backward(const Output& saved) const {
    Gradients g{std::vector<float>(weight1.size(), kNan), std::vector<float>(bias1.size(), kNan),
                std::vector<float>(weight2.size(), kNan), std::vector<float>(bias2.size(), kNan)};
    Scratch scratch(fused_block_backward_scratch(s));
    fused_block_backward(s,
                         {x.data(), weight1.data(), bias1.data(), weight2.data(), saved.y.data(),
                          saved.argmax.data(), dy.data(), g.dweight1.data(), g.dbias1.data(),
                          g.dweight2.data(), g.dbias2.data(), scratch.data()},
                         simd);
    return g;
  }

  FusedBlockShape s = std::get<0>(GetParam());
  Simd simd = std::get<1>(GetParam());
  std::vector<float> x = random_values(s.n * s.w, 1);
  std::vector<float> weight1 = random_values(s.weight1_count(), 2);
  std::vector<float> bias1 = random_values(s.c_mid, 3);
  std::vector<float> weight2 = random_values(s.weight2_count(), 4);
  std::vector<float> bias2 = random_values(s.c_out, 5);
  std::vector<float> dy = random_values(s.n * s.out_w() * s.c_out, 6);
};

TEST_P(FusedBlockTest, ForwardHasTheBitsOfTheComposedKernels) {
  for (const int64_t tile : {LineConv::kTile, LineConv::kForwardTile}) {
    const Output expected = composed(tile);
    for (const int threads : {1, 3}) {
      const Output out = fused(tile, threads);
      EXPECT_EQ(out.y, expected.y) << threads << " threads, tile " << tile;
      EXPECT_EQ(out.argmax, expected.argmax) << threads << " threads, tile " << tile;
    }
    EXPECT_EQ(fused(tile, 2, false).y, expected.y) << "without winners, tile " << tile;
  }
}

TEST_P(FusedBlockTest, GradientsMatch) {
  const Output saved = composed(LineConv::kTile);
  const Gradients g = backward(saved);
  const ConvolutionShape one{s.n, 1, s.w, 1, s.c_mid, 1, kFusedTaps, 1, 1};
  const ConvolutionShape two{s.n, 1, s.w, s.c_mid, s.c_out, 1, kFusedTaps, 1, s.pool};
  const reference::Pooled z{widen(saved.z), reference::Cells(saved.z.size(), 0), {}};
  const reference::Pooled y{widen(saved.y), saved.argmax, {}};
  const auto of_two = [&](const Values& weight, const Values& gradient) {
    return reference::convolution_backward(two, z.y, weight, y, gradient);
  };
  const auto of_one = [&](const Values& wave, const Values& gradient) {
    return reference::convolution_backward(one, wave, widen(weight1), z, gradient);
  };
  const auto second = of_two(widen(weight2), widen(dy));
  const auto first = of_one(widen(x), second.dx);
  const auto second_sizes = of_two(absolute(widen(weight2)), absolute(widen(dy)));
  const auto first_sizes = of_one(absolute(widen(x)), second_sizes.dx);
  const double sum = growth(s.n * s.out_w()), all = sum + growth(s.n * s.w + kFusedTaps * s.c_out);
  expect_close(g.dweight2, second.dweight, rounding(sum, second_sizes.dweight), "dweight2");
  expect_close(g.dbias2, second.dbias, rounding(sum, second_sizes.dbias), "dbias2");
  expect_close(g.dweight1, first.dweight, rounding(all, first_sizes.dweight), "dweight1");
  expect_close(g.dbias1, first.dbias, rounding(all, first_sizes.dbias), "dbias1");
}

// n w c_mid c_out pool
INSTANTIATE_TEST_SUITE_P(Shapes, FusedBlockTest,
                         testing::Combine(testing::Values(FusedBlockShape{1, 16, 32, 32, 16},
                                                          FusedBlockShape{3, 53, 32, 32, 8},
                                                          FusedBlockShape{1, 700, 32, 32, 16},
                                                          FusedBlockShape{19, 50, 32, 32, 16},
                                                          FusedBlockShape{2, 419, 32, 32, 8}),
                                          testing::Values(Simd::kAvx2, Simd::kAvx512)));

TEST(FusedBlockFits, OnlyWhatItComputes) {
  EXPECT_TRUE(fused_block_fits({1, 99, 32, 32, 16}));
  EXPECT_FALSE(fused_block_fits({1, 99, 16, 32, 16}));
  EXPECT_FALSE(fused_block_fits({1, 99, 32, 8, 16}));
  EXPECT_FALSE(fused_block_fits({1, 99, 32, 32, 4}));
}

}  // namespace
}  // namespace earshot
