// Backward of convolution + bias + ReLU + max-pool without ever forming the unpooled gradient.
// Of each window of p cells only the winner carries a gradient g, and only where y > 0. With the
// winner at cell t of the input plane, channels last, the sums
//   dweight[co] += g x[t - before ... t + after]      dx[t - before ... t + after] += g weight[co]
// are contiguous runs of kernel_w * c_in floats: 1/p of the work of a dense backward.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/simd.h"
#include "kernels/stream.h"

namespace earshot {

struct PooledConvShape {
  int64_t n, h, w, c_in, c_out;  // of the convolution's input
  int64_t kernel_h, kernel_w;    // 'same': (k - 1) / 2 cells before, k / 2 after
  int64_t pool_h, pool_w;
  EARSHOT_HOST_DEVICE int64_t weight_count() const { return c_out * kernel_h * kernel_w * c_in; }
  /// Examples are summed in this many parts, whatever the thread count: the bits stay.
  int64_t parts() const { return n < 8 ? n : 8; }
  /// 4 flops (two multiply-adds) for each tap of each winner, if every winner is positive.
  double flops() const {
    const int64_t winners = n * (h / pool_h) * (w / pool_w);
    return 4.0 * double(winners) * double(weight_count());
  }
};

struct PooledConvForward {
  const float* x;       // [n, h, w, c_in]
  const float* weight;  // [c_out, kernel_h, kernel_w, c_in]
  const float* bias;    // [c_out]
  float* y;             // [n, h / pool_h, w / pool_w, c_out]
  uint8_t* argmax;      // as y, the first of the largest cells; may be null
};

struct PooledConvBackward {
  const float* x;         // [n, h, w, c_in]
  const float* weight;    // [c_out, kernel_h, kernel_w, c_in]
  const float* y;         // [n, h / pool_h, w / pool_w, c_out]
  const uint8_t* argmax;  // as y
  const float* dy;        // as y
  float* dx;              // as x; may be null
  float* dweight;         // as weight
  float* dbias;           // [c_out]
  float* scratch;         // [parts, weight_count + c_out]
};

void pooled_conv_backward(const PooledConvShape& s, const PooledConvBackward& t,
                          Simd simd = best_simd());

// On a CUDA device: pointers are the device's, `scratch` of pooled_conv_scratch floats on a
// multiple of 16 bytes, whatever PooledConvBackward says.
namespace cuda {
int64_t pooled_conv_scratch(const PooledConvShape& s);
void pooled_conv_backward(const PooledConvShape& s, const PooledConvBackward& t, Stream stream);
}  // namespace cuda

}  // namespace earshot
