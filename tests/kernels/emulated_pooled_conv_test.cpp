#include "tests/emulator/emulator.h"
#include "tests/kernels/pooled_conv_body.h"

namespace earshot {
namespace {

using emulator::Input;
using emulator::Output;

std::vector<float> taken(const float* from, int64_t count) { return {from, from + count}; }

void backward(const PooledConvShape& s, const PooledConvBackward& t) {
  const int64_t in = s.n * s.h * s.w * s.c_in;
  const int64_t out = s.n * (s.h / s.pool_h) * (s.w / s.pool_w) * s.c_out;
  const Input<float> x("x", taken(t.x, in)), weight("weight", taken(t.weight, s.weight_count())),
      y("y", taken(t.y, out)), dy("dy", taken(t.dy, out));
  const Input<uint8_t> argmax("argmax", {t.argmax, t.argmax + out});
  Output<float> dx("dx", in), dweight("dweight", s.weight_count()), dbias("dbias", s.c_out),
      scratch("scratch", cuda::pooled_conv_scratch(s));
  cuda::pooled_conv_backward(
      s,
      {x.data(), weight.data(), y.data(), argmax.data(), dy.data(), t.dx ? dx.data() : nullptr,
       dweight.data(), dbias.data(), scratch.data()},
      nullptr);
  const auto copy = [](const Output<float>& from, float* to) {
    const std::vector<float> values = from.values();
    std::copy(values.begin(), values.end(), to);
  };
  if (t.dx) copy(dx, t.dx);
  copy(dweight, t.dweight);
  copy(dbias, t.dbias);
}

class EmulatedPooledConv : public testing::TestWithParam<ConvolutionShape> {
 protected:
  PooledConvBody body{GetParam(), backward};
};

TEST_P(EmulatedPooledConv, BackwardMatches) { body.backward_matches(); }

// n h w c_in c_out kernel pool
INSTANTIATE_TEST_SUITE_P(
    OddShapes, EmulatedPooledConv,
    testing::Values(ConvolutionShape{1, 1, 2, 1, 1, 1, 1, 1, 2},
                    ConvolutionShape{3, 1, 67, 3, 5, 1, 11, 1, 8},
                    ConvolutionShape{1, 1, 35, 64, 17, 1, 9, 1, 16},
                    ConvolutionShape{5, 5, 7, 3, 5, 4, 4, 2, 2},
                    ConvolutionShape{2, 3, 13, 200, 3, 3, 3, 1, 4},  // several chunks of weights
                    ConvolutionShape{2, 9, 11, 17, 7, 2, 5, 2, 4},
                    ConvolutionShape{1, 1, 6, 100, 3, 1, 11, 1, 3},  // kernel wider than the input
                    ConvolutionShape{2, 1, 3, 4, 8, 1, 3, 1, 4},     // narrower than a window
                    ConvolutionShape{2, 16, 16, 1, 3, 4, 4, 16, 16}));
// The pooled convolutions of the networks (paper Tables 1 and 2), narrower and shorter.
INSTANTIATE_TEST_SUITE_P(Networks, EmulatedPooledConv,
                         testing::Values(ConvolutionShape{2, 1, 131, 8, 8, 1, 11, 1, 8},
                                         ConvolutionShape{2, 1, 131, 8, 40, 1, 11, 1, 16},
                                         ConvolutionShape{1, 1, 50, 16, 16, 1, 7, 1, 16},
                                         ConvolutionShape{2, 1, 21, 32, 12, 1, 5, 1, 16},
                                         ConvolutionShape{2, 8, 11, 16, 16, 4, 4, 2, 2},
                                         ConvolutionShape{1, 8, 13, 16, 32, 3, 3, 2, 4},
                                         ConvolutionShape{1, 4, 5, 64, 8, 3, 3, 2, 2}));

}  // namespace
}  // namespace earshot
