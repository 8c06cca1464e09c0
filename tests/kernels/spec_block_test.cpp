// The spectrogram's fused block against its kernels one after the other.
#include "kernels/spec_block.h"

#include "kernels/mono_conv.h"
#include "tests/kernels/filtering_body.h"

namespace earshot {
namespace {

class SpecBlockTest : public testing::TestWithParam<std::tuple<PooledConvShape, Simd>> {
 protected:
  void SetUp() override {
    if (simd == Simd::kAvx512 && best_simd() != Simd::kAvx512) GTEST_SKIP() << "no AVX-512 here";
  }
  std::vector<float> empty() const {
    return std::vector<float>(
        static_cast<size_t>(s.n * (s.h / s.pool_h) * (s.w / s.pool_w) * s.c_out), kNan);
  }
  std::vector<float> composed() const {
    std::vector<float> z(static_cast<size_t>(s.n * s.h * s.w * s.c_in), kNan), y = empty();
    const PooledConvShape first{s.n, s.h, s.w, 1, s.c_in, 4, 4, 1, 1};
    Scratch scratch(mono_conv_forward_scratch(first));
    mono_conv_forward(first, {x.data(), weight1.data(), bias1.data(), z.data(), nullptr},
                      scratch.data(), simd);
    const Winograd second(s, 1, Winograd::kForwardTile, simd);
    Scratch more(second.forward_scratch());
    second.forward({z.data(), weight2.data(), bias2.data(), y.data(), nullptr}, more.data());
    return y;
  }
  std::vector<float> fused(int threads) const {
    std::vector<float> y = empty();
    const SpecBlock block(s, threads, simd);
    Scratch scratch(block.forward_scratch());
    block.forward({x.data(), weight1.data(), bias1.data(), weight2.data(), bias2.data(), y.data()},
                  scratch.data());
    return y;
  }

  PooledConvShape s = std::get<0>(GetParam());
  Simd simd = std::get<1>(GetParam());
  std::vector<float> x = random_values(s.n * s.h * s.w, 1);
  std::vector<float> weight1 = random_values(16 * s.c_in, 2);
  std::vector<float> bias1 = random_values(s.c_in, 3);
  std::vector<float> weight2 = random_values(s.weight_count(), 4);
  std::vector<float> bias2 = random_values(s.c_out, 5);
};

TEST_P(SpecBlockTest, ForwardHasTheBitsOfTheComposedKernels) {
  const std::vector<float> expected = composed();
  for (const int threads : {1, 3}) EXPECT_EQ(fused(threads), expected) << threads << " threads";
}

// n h w c_in c_out kernel pool: one cell, one row of tiles, blocks that go on in the next row, the
// next example and behind the last one
INSTANTIATE_TEST_SUITE_P(
    Shapes, SpecBlockTest,
    testing::Combine(testing::Values(PooledConvShape{1, 1, 1, 32, 32, 4, 4, 1, 1},
                                     PooledConvShape{1, 6, 80, 32, 64, 4, 4, 2, 2},
                                     PooledConvShape{3, 8, 7, 64, 32, 4, 4, 1, 1},
                                     PooledConvShape{2, 25, 95, 64, 64, 4, 4, 2, 2}),
                     testing::Values(Simd::kAvx2, Simd::kAvx512)));

TEST(SpecBlockPays, WhereTilesOfFourTapsDo) {
  EXPECT_TRUE(SpecBlock::pays({32, 128, 300, 64, 64, 4, 4, 2, 2}));
  EXPECT_FALSE(SpecBlock::pays({32, 128, 300, 64, 64, 3, 3, 2, 2}));
  EXPECT_FALSE(SpecBlock::pays({32, 128, 300, 48, 64, 4, 4, 2, 2}));
  EXPECT_FALSE(SpecBlock::pays({1, 8, 8, 64, 64, 4, 4, 2, 2}));
}

}  // namespace
}  // namespace earshot
