// The tests of the pooled convolution's backward, for every form of it.
#pragma once

#include <gtest/gtest.h>

#include <limits>

#include "kernels/pooled_conv.h"
#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {

class PooledConvBody {
 public:
  using Backward = void (*)(const PooledConvShape&,
                            const PooledConvBackward&);  // pointers are the host's
  PooledConvBody(const ConvolutionShape& shape, Backward form) : s(shape), backward(form) {}

  void backward_matches() {
    const Gradients g = run(/*wants_dx=*/true);
    const reference::Pooled saved{widen(y), argmax, {}};
    const auto expected =
        reference::convolution_backward(s, widen(x), widen(weight), saved, widen(dy));
    const auto sizes = reference::convolution_backward(
        s, absolute(widen(x)), absolute(widen(weight)), saved, absolute(widen(dy)));
    const double sum = growth(s.y().rows());
    expect_close(g.dweight, expected.dweight, rounding(sum, sizes.dweight), "dweight");
    expect_close(g.dbias, expected.dbias, rounding(sum, sizes.dbias), "dbias");
    expect_close(g.dx, expected.dx, rounding(growth(s.kernel_h * s.kernel_w * s.c_out), sizes.dx),
                 "dx");

    const Gradients without = run(/*wants_dx=*/false);
    EXPECT_EQ(without.dweight, g.dweight);
    EXPECT_EQ(without.dbias, g.dbias);
  }

 private:
  ConvolutionShape s;
  Backward backward;
  PooledConvShape pooled{s.n,        s.h,        s.w,      s.c_in,  s.c_out,
                         s.kernel_h, s.kernel_w, s.pool_h, s.pool_w};
  std::vector<float> x = random_values(s.x().count(), 1);
  std::vector<float> weight = random_values(s.weight().count(), 2);
  std::vector<float> y = random_values(s.y().count(), 3);  // half of the windows are inactive
  std::vector<float> dy = random_values(s.y().count(), 4);
  reference::Cells argmax = random_cells();

  reference::Cells random_cells() const {
    Random random(5, Purpose::kShuffle, 0, 0);
    reference::Cells cells(static_cast<size_t>(s.y().count()));
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
    backward(pooled,
             {x.data(), weight.data(), y.data(), argmax.data(), dy.data(),
              wants_dx ? g.dx.data() : nullptr, g.dweight.data(), g.dbias.data(), scratch.data()});
    return g;
  }
};

}  // namespace earshot
