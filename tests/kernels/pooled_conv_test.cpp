#include "tests/kernels/pooled_conv_body.h"

namespace earshot {
namespace {

class PooledConv : public testing::TestWithParam<ConvolutionShape> {};

TEST_P(PooledConv, BackwardMatches) {
  PooledConvBody(GetParam(), [](const PooledConvShape& s, const PooledConvBackward& t) {
    pooled_conv_backward(s, t, Simd::kAvx2);
  }).backward_matches();
}

TEST_P(PooledConv, BackwardMatchesWithAvx512) {
  if (best_simd() != Simd::kAvx512) GTEST_SKIP() << "no AVX-512 here";
  PooledConvBody(GetParam(), [](const PooledConvShape& s, const PooledConvBackward& t) {
    pooled_conv_backward(s, t, Simd::kAvx512);
  }).backward_matches();
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
