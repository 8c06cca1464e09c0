#include <gtest/gtest.h>

#include "kernels/fused_block.h"
#include "kernels/launch.h"
#include "tests/emulator/emulator.h"
#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {

static std::ostream& operator<<(std::ostream& out, const FusedBlockShape& s) {
  return out << s.n << " x " << s.w << " samples, " << s.c_mid << " and " << s.c_out
             << " channels, pool " << s.pool;
}

namespace {

using emulator::Input;
using emulator::Output;
using reference::Values;

class EmulatedFusedBlock : public testing::TestWithParam<FusedBlockShape> {
 protected:
  FusedBlockShape s = GetParam();
  int64_t out = s.n * s.out_w() * s.c_out;
  ConvolutionShape first{s.n, 1, s.w, 1, s.c_mid, 1, kFusedTaps, 1, 1};
  ConvolutionShape second{s.n, 1, s.w, s.c_mid, s.c_out, 1, kFusedTaps, 1, s.pool};

  struct Tensors {
    std::vector<float> x, weight1, bias1, weight2, bias2;
  };
  template <typename Draw>
  Tensors tensors(const Draw& draw) const {
    return {draw(s.n * s.w, 1), draw(s.weight1_count(), 2), draw(s.c_mid, 3),
            draw(s.weight2_count(), 4), draw(s.c_out, 5)};
  }

  struct Pooled {
    std::vector<float> y;
    std::vector<uint8_t> argmax;
  };
  Pooled forward(FusedFactors factors, const Tensors& t) const {
    const Input<float> x("x", t.x), weight1("weight1", t.weight1), bias1("bias1", t.bias1),
        weight2("weight2", t.weight2), bias2("bias2", t.bias2);
    Output<float> y("y", out);
    Output<uint8_t> argmax("argmax", out);
    Output<float> scratch("scratch", cuda::fused_block_forward_scratch(s, factors));
    cuda::fused_block_forward(s, factors,
                              {x.data(), weight1.data(), bias1.data(), weight2.data(), bias2.data(),
                               y.data(), argmax.data(), scratch.data()},
                              nullptr);
    return {y.values(), argmax.values()};
  }
  /// `unit`: rounding unit of the factors.
  void forward_matches(FusedFactors factors, double unit) const;

  Values z_of(const Tensors& t) const {
    return reference::relu(
        reference::convolve(first, widen(t.x), widen(t.weight1), widen(t.bias1)));
  }

  struct Gradients {
    std::vector<float> dweight1, dbias1, dweight2, dbias2;
  };
  Gradients backward(const Tensors& t, const std::vector<float>& saved_y,
                     const reference::Cells& cells, const std::vector<float>& gradient) const {
    const Input<float> x("x", t.x), weight1("weight1", t.weight1), bias1("bias1", t.bias1),
        weight2("weight2", t.weight2), y("y", saved_y), dy("dy", gradient);
    const Input<uint8_t> argmax("argmax", cells);
    Output<float> dweight1("dweight1", s.weight1_count()), dbias1("dbias1", s.c_mid),
        dweight2("dweight2", s.weight2_count()), dbias2("dbias2", s.c_out),
        scratch("scratch", cuda::fused_block_backward_scratch(s));
    cuda::fused_block_backward(
        s,
        {x.data(), weight1.data(), bias1.data(), weight2.data(), y.data(), argmax.data(), dy.data(),
         dweight1.data(), dbias1.data(), dweight2.data(), dbias2.data(), scratch.data()},
        nullptr);
    scratch.values();
    return {dweight1.values(), dbias1.values(), dweight2.values(), dbias2.values()};
  }
};

Values squares(Values values) {
  for (double& x : values) x *= x;
  return values;
}

// Rounding a factor by one part in 1 / unit moves a product p by at most unit p, and independent
// such errors of a sum of products exceed 6 unit sqrt(2 sum p^2) as rarely as compare.h says.
void EmulatedFusedBlock::forward_matches(FusedFactors factors, double unit) const {
  const Tensors t =
      tensors([](int64_t count, uint32_t name) { return random_values(count, name); });
  const Values z = z_of(t), weight2 = widen(t.weight2), bias2 = widen(t.bias2);
  const PoolShape pool{s.n, 1, s.w, s.c_out, 1, s.pool};
  const Values unpooled = reference::relu(reference::convolve(second, z, weight2, bias2));
  const auto expected = reference::max_pool(pool, unpooled);
  const Values z_size = reference::convolve(first, absolute(widen(t.x)), absolute(widen(t.weight1)),
                                            absolute(widen(t.bias1)));
  Values tolerance =
      rounding(growth(kFusedTaps) + growth(kFusedTaps * s.c_mid),
               reference::convolve(second, z_size, absolute(weight2), absolute(bias2)));
  const Values products =
      reference::convolve(second, squares(z), squares(weight2), Values(bias2.size(), 0.0));
  for (size_t i = 0; i < tolerance.size(); ++i)
    tolerance[i] += 6 * unit * std::sqrt(2 * products[i]);
  const Values largest = reference::max_pool(pool, tolerance).y;  // of a window

  const Pooled got = forward(factors, t);
  expect_close(got.y, expected.y, largest, "fused y");
  Values at_winner;
  for (int64_t i = 0; i < out; ++i) {
    const int64_t c = i % s.c_out, window = i / s.c_out % s.out_w(), n = i / s.c_out / s.out_w();
    ASSERT_LT(got.argmax[i], s.pool);
    at_winner.push_back(unpooled[(n * s.w + window * s.pool + got.argmax[i]) * s.c_out + c]);
  }
  Values twice = largest;
  for (double& x : twice) x *= 2;  // two rounded sums were compared
  expect_close(at_winner, expected.y, twice, "fused winners");
}

// Every sum is exact, and many windows hold the maximum more than once. Also in tf32: z has 10
// bits.
TEST_P(EmulatedFusedBlock, ForwardIsExactOnCoarseValues) {
  const Tensors t = tensors(coarse_values);
  const auto expected = reference::convolution(second, z_of(t), widen(t.weight2), widen(t.bias2));
  for (const FusedFactors factors : {FusedFactors::kF32, FusedFactors::kTf32}) {
    const Pooled got = forward(factors, t);
    EXPECT_EQ(widen(got.y), expected.y);
    EXPECT_EQ(got.argmax, expected.argmax);
  }
}

TEST_P(EmulatedFusedBlock, ForwardMatches) { forward_matches(FusedFactors::kF32, 0); }
TEST_P(EmulatedFusedBlock, ForwardMatchesInTf32) { forward_matches(FusedFactors::kTf32, 0x1p-11); }
TEST_P(EmulatedFusedBlock, ForwardMatchesInBf16) { forward_matches(FusedFactors::kBf16, 0x1p-8); }

// x and the first convolution are coarse: the ReLU's mask is exact.
TEST_P(EmulatedFusedBlock, BackwardMatchesWhateverTheSchedule) {
  Tensors t = tensors(coarse_values);
  t.weight2 = random_values(s.weight2_count(), 6);
  const std::vector<float> y = random_values(out, 7), dy = random_values(out, 8);
  Random random(9, Purpose::kShuffle, 0, 0);
  reference::Cells argmax(static_cast<size_t>(out));
  for (uint8_t& cell : argmax) cell = static_cast<uint8_t>(random.below(uint64_t(s.pool)));

  emulator::seed(1);
  const Gradients g = backward(t, y, argmax, dy);
  const Values z = z_of(t);
  const reference::Pooled saved{widen(y), argmax, {}};
  const reference::Pooled saved_z{z, reference::Cells(z.size()), {}};
  const auto of_second =
      reference::convolution_backward(second, z, widen(t.weight2), saved, widen(dy));
  const auto of_first =
      reference::convolution_backward(first, widen(t.x), widen(t.weight1), saved_z, of_second.dx);
  const auto second_size = reference::convolution_backward(second, z, absolute(widen(t.weight2)),
                                                           saved, absolute(widen(dy)));
  const auto first_size = reference::convolution_backward(
      first, absolute(widen(t.x)), widen(t.weight1), saved_z, second_size.dx);
  const double sum2 = growth(s.n * s.out_w());
  expect_close(g.dweight2, of_second.dweight, rounding(sum2, second_size.dweight), "dweight2");
  expect_close(g.dbias2, of_second.dbias, rounding(sum2, second_size.dbias), "dbias2");
  const double sum1 = growth(kFusedTaps * s.c_out) + growth(s.n * s.w);
  expect_close(g.dweight1, of_first.dweight, rounding(sum1, first_size.dweight), "dweight1");
  expect_close(g.dbias1, of_first.dbias, rounding(sum1, first_size.dbias), "dbias1");

  emulator::seed(2);
  const Gradients again = backward(t, y, argmax, dy);
  EXPECT_EQ(again.dweight1, g.dweight1);
  EXPECT_EQ(again.dbias1, g.dbias1);
  EXPECT_EQ(again.dweight2, g.dweight2);
  EXPECT_EQ(again.dbias2, g.dbias2);
}

// n w c_mid c_out pool
INSTANTIATE_TEST_SUITE_P(
    OddSizes, EmulatedFusedBlock,
    testing::Values(FusedBlockShape{1, 8, 1, 1, 8},     // shorter than the kernel
                    FusedBlockShape{1, 19, 1, 3, 16},   // one window and a rest
                    FusedBlockShape{3, 67, 3, 5, 8},    //
                    FusedBlockShape{2, 272, 9, 7, 16},  // one window behind a tile of 256
                    FusedBlockShape{1, 143, 32, 1, 16}, FusedBlockShape{2, 130, 1, 32, 8}));
// The block in the networks of 1 and of 2 and 3 seconds, shorter; and half as wide.
INSTANTIATE_TEST_SUITE_P(Networks, EmulatedFusedBlock,
                         testing::Values(FusedBlockShape{2, 281, 32, 32, 8},
                                         FusedBlockShape{2, 281, 32, 32, 16},
                                         FusedBlockShape{1, 150, 16, 16, 16}));

TEST(FusedBlock, OtherShapesHaveNoKernel) {
  for (const FusedBlockShape& s :
       {FusedBlockShape{1, 64, 33, 8, 16}, FusedBlockShape{1, 64, 8, 33, 16},
        FusedBlockShape{1, 64, 8, 8, 4}, FusedBlockShape{1, 15, 8, 8, 16}}) {
    EXPECT_FALSE(s.fits()) << s;
    EXPECT_THROW(cuda::fused_block_forward(s, FusedFactors::kF32, {}, nullptr), LaunchError) << s;
    EXPECT_THROW(cuda::fused_block_backward(s, {}, nullptr), LaunchError) << s;
  }
}

}  // namespace
}  // namespace earshot
