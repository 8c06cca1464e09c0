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
    Output<float> alone("y without winners", out);
    cuda::fused_block_forward(s, factors,
                              {x.data(), weight1.data(), bias1.data(), weight2.data(), bias2.data(),
                               alone.data(), nullptr, scratch.data()},
                              nullptr);
    EXPECT_EQ(alone.values(), y.values());
    return {y.values(), argmax.values()};
  }
  /// `unit`: rounding unit of the factors.
  void forward_matches(FusedFactors factors, double unit) const;

  Values z_of(const Tensors& t) const {
    return reference::relu(
        reference::convolve(first, widen(t.x), widen(t.weight1), widen(t.bias1)));
  }

  /// What forward left, drawn: half of the windows are inactive.
  struct Saved {
    std::vector<float> y, dy;
    reference::Cells argmax;
  };
  Saved draw_saved(std::vector<float> dy) const {
    Saved saved{random_values(out, 7), std::move(dy), reference::Cells(static_cast<size_t>(out))};
    Random random(9, Purpose::kShuffle, 0, 0);
    for (uint8_t& cell : saved.argmax) cell = static_cast<uint8_t>(random.below(uint64_t(s.pool)));
    return saved;
  }
  struct Expected {
    reference::ConvolutionGradients second, first;
  };
  Expected gradients_of(const Tensors& t, const Saved& saved) const {
    return backward_through(z_of(t), widen(t.x), widen(t.weight2), widen(saved.dy), t, saved);
  }
  /// The same with absolute values in place of what is multiplied.
  Expected sizes_of(const Tensors& t, const Saved& saved) const {
    return backward_through(z_of(t), absolute(widen(t.x)), absolute(widen(t.weight2)),
                            absolute(widen(saved.dy)), t, saved);
  }
  Expected backward_through(const Values& z, const Values& x, const Values& weight2,
                            const Values& dy, const Tensors& t, const Saved& saved) const {
    const reference::Pooled of_z{z, reference::Cells(z.size()), {}};
    const reference::Pooled of_y{widen(saved.y), saved.argmax, {}};
    const auto second_gradients = reference::convolution_backward(second, z, weight2, of_y, dy);
    return {second_gradients,
            reference::convolution_backward(first, x, widen(t.weight1), of_z, second_gradients.dx)};
  }
  void backward_matches(FusedFactors factors, double unit) const;

  struct Gradients {
    std::vector<float> dweight1, dbias1, dweight2, dbias2;
  };
  Gradients backward(FusedFactors factors, const Tensors& t, const Saved& saved) const {
    const Input<float> x("x", t.x), weight1("weight1", t.weight1), bias1("bias1", t.bias1),
        weight2("weight2", t.weight2), y("y", saved.y), dy("dy", saved.dy);
    const Input<uint8_t> argmax("argmax", saved.argmax);
    Output<float> dweight1("dweight1", s.weight1_count()), dbias1("dbias1", s.c_mid),
        dweight2("dweight2", s.weight2_count()), dbias2("dbias2", s.c_out),
        scratch("scratch", cuda::fused_block_backward_scratch(s, factors));
    cuda::fused_block_backward(
        s, factors,
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

// Every factor is exact in bf16 too, and so is every sum.
TEST_P(EmulatedFusedBlock, BackwardIsExactOnCoarseValues) {
  Tensors t = tensors(coarse_values);
  for (float& x : t.x) x = std::round(x);
  const Saved saved = draw_saved(coarse_values(out, 8));
  const auto expected = gradients_of(t, saved);
  for (const FusedFactors factors : {FusedFactors::kF32, FusedFactors::kBf16}) {
    const Gradients got = backward(factors, t, saved);
    EXPECT_EQ(widen(got.dweight2), expected.second.dweight);
    EXPECT_EQ(widen(got.dbias2), expected.second.dbias);
    EXPECT_EQ(widen(got.dweight1), expected.first.dweight);
    EXPECT_EQ(widen(got.dbias1), expected.first.dbias);
  }
}

TEST_P(EmulatedFusedBlock, BackwardMatches) { backward_matches(FusedFactors::kF32, 0); }
TEST_P(EmulatedFusedBlock, BackwardMatchesInBf16) { backward_matches(FusedFactors::kBf16, 0x1p-8); }

// x and the first convolution are coarse: the ReLU's mask is exact.
void EmulatedFusedBlock::backward_matches(FusedFactors factors, double unit) const {
  Tensors t = tensors(coarse_values);
  t.weight2 = random_values(s.weight2_count(), 6);
  const Saved saved = draw_saved(random_values(out, 8));
  emulator::seed(1);
  const Gradients g = backward(factors, t, saved);
  const auto expected = gradients_of(t, saved);
  const auto close = [&](const std::vector<float>& got, const Values& exact, const Values& size,
                         double sum, double rounded, const char* what) {
    Values tolerance = rounding(sum, size);
    for (size_t i = 0; i < size.size(); ++i) tolerance[i] += rounded * size[i];
    expect_close(got, exact, tolerance, what);
  };
  const auto sizes = sizes_of(t, saved);
  const double sum2 = growth(s.n * s.out_w());
  close(g.dweight2, expected.second.dweight, sizes.second.dweight, sum2, 2 * unit, "dweight2");
  close(g.dbias2, expected.second.dbias, sizes.second.dbias, sum2, 0, "dbias2");
  const double sum1 = growth(kFusedTaps * s.c_out) + growth(s.n * s.w);
  close(g.dweight1, expected.first.dweight, sizes.first.dweight, sum1, 2 * unit, "dweight1");
  close(g.dbias1, expected.first.dbias, sizes.first.dbias, sum1, 2 * unit, "dbias1");

  emulator::seed(2);  // another schedule, the same bits
  const Gradients again = backward(factors, t, saved);
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
                    FusedBlockShape{1, 259, 2, 3, 16},  // whole tiles and a rest
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
    EXPECT_THROW(cuda::fused_block_backward(s, FusedFactors::kF32, {}, nullptr), LaunchError) << s;
  }
}

}  // namespace
}  // namespace earshot
