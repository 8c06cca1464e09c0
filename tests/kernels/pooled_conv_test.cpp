#include "kernels/pooled_conv.h"

#include <gtest/gtest.h>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Cells;
using reference::Values;

class PooledConv : public testing::TestWithParam<ConvolutionShape> {
 protected:
  ConvolutionShape s = GetParam();
  PooledConvShape pooled{s.n,        s.h,        s.w,      s.c_in,  s.c_out,
                         s.kernel_h, s.kernel_w, s.pool_h, s.pool_w};
  std::vector<float> x = random_values(s.x().count(), 1);
  std::vector<float> weight = random_values(s.weight().count(), 2);
  std::vector<float> y = random_values(s.y().count(), 3);  // half of the windows are inactive
  std::vector<float> dy = random_values(s.y().count(), 4);
  Cells argmax = random_cells();

  Cells random_cells() const {
    Random random(5, Purpose::kShuffle, 0, 0);
    Cells cells(static_cast<size_t>(s.y().count()));
    for (uint8_t& cell : cells)
      cell = static_cast<uint8_t>(random.below(static_cast<uint64_t>(s.pool_h * s.pool_w)));
    return cells;
  }

  struct Gradients {
    std::vector<float> dx, dweight, dbias;
  };
  Gradients run(bool wants_dx) const {
    const float nan = std::numeric_limits<float>::quiet_NaN();  // what the outputs hold before
    Gradients g{std::vector<float>(x.size(), nan), std::vector<float>(weight.size(), nan),
                std::vector<float>(static_cast<size_t>(s.c_out), nan)};
    const auto parts = static_cast<size_t>(pooled.parts());
    std::vector<float> scratch(parts * (weight.size() + g.dbias.size()), nan);
    pooled_conv_backward(pooled, {x.data(), weight.data(), y.data(), argmax.data(), dy.data(),
                                  wants_dx ? g.dx.data() : nullptr, g.dweight.data(),
                                  g.dbias.data(), scratch.data()});
    return g;
  }
};

TEST_P(PooledConv, BackwardMatches) {
  const Gradients g = run(/*wants_dx=*/true);
  const reference::Pooled saved{widen(y), argmax, {}};
  const auto expected =
      reference::convolution_backward(s, widen(x), widen(weight), saved, widen(dy));
  const auto sizes = reference::convolution_backward(s, absolute(widen(x)), absolute(widen(weight)),
                                                     saved, absolute(widen(dy)));
  const double sum = growth(s.y().rows());
  expect_close(g.dweight, expected.dweight, rounding(sum, sizes.dweight), "dweight");
  expect_close(g.dbias, expected.dbias, rounding(sum, sizes.dbias), "dbias");
  expect_close(g.dx, expected.dx, rounding(growth(s.kernel_h * s.kernel_w * s.c_out), sizes.dx),
               "dx");

  const Gradients without = run(/*wants_dx=*/false);
  EXPECT_EQ(without.dweight, g.dweight);
  EXPECT_EQ(without.dbias, g.dbias);
}

// n h w c_in c_out kernel pool
INSTANTIATE_TEST_SUITE_P(
    Shapes, PooledConv,
    testing::Values(ConvolutionShape{1, 1, 2, 1, 1, 1, 1, 1, 2},
                    ConvolutionShape{3, 1, 67, 3, 5, 1, 11, 1, 8},
                    ConvolutionShape{1, 1, 35, 64, 17, 1, 9, 1, 16},
                    ConvolutionShape{11, 5, 7, 3, 5, 4, 4, 2, 2},    // more examples than parts
                    ConvolutionShape{2, 3, 29, 600, 3, 3, 3, 1, 4},  // several blocks of windows
                    ConvolutionShape{2, 9, 11, 17, 7, 2, 5, 2, 4},
                    ConvolutionShape{1, 1, 6, 100, 3, 1, 11, 1, 3},  // kernel wider than the input
                    ConvolutionShape{2, 16, 16, 1, 3, 4, 4, 16, 16}));

}  // namespace
}  // namespace earshot
