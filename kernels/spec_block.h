// Block 1 of the network on the spectrogram (paper Table 2) where no gradient follows: a
// convolution of one input channel and one by minimal filtering of 6x6 tiles, both 4x4 with bias
// and ReLU, then the max-pool. The tensor between them, the largest of the network, never exists:
// each row of tiles computes the cells under it, and those on its rim anew.
#pragma once

#include <cstdint>

#include "kernels/winograd.h"

namespace earshot {

struct SpecBlockForward {
  const float* x;                // [n, h, w]
  const float *weight1, *bias1;  // [c_mid, 4, 4], [c_mid]
  const float *weight2, *bias2;  // [c_out, 4, 4, c_mid], [c_out]
  float* y;                      // [n, h / pool_h, w / pool_w, c_out]
};

class SpecBlock {
 public:
  /// `second`: the second convolution, whose input is the first one's output.
  static bool pays(const PooledConvShape& second) {
    return second.kernel_h == kTaps && Winograd::pays(second, Winograd::kForwardTile);
  }
  /// A shape for which it pays; scratch for at most `threads` threads.
  SpecBlock(const PooledConvShape& second, int threads, Simd simd = best_simd());

  int64_t forward_scratch() const;  // floats, on a multiple of 64 bytes
  /// The bits of mono_conv.h and winograd.h one after the other.
  void forward(const SpecBlockForward& t, float* scratch) const;

 private:
  static constexpr int64_t kTaps = 4;  // a side, of either convolution
  struct Strip;
  int64_t strip_floats() const;

  PooledConvShape s_;
  Simd simd_;
  int threads_;
  Winograd winograd_;
};

}  // namespace earshot
