// Audio block 1 as one kernel forward and one backward (paper Table 1): two convolutions over time
// of 11 samples with bias and ReLU, then a max-pool with its argmax,
//   z[t, m] = relu(bias1[m] + sum_k weight1[m, k] x[t + k - 5])              zeros outside 0 <= t <
//   w y[o, c] = max over the window of relu(bias2[c] + sum_k sum_m weight2[c, k, m] z[t + k - 5,
//   m]).
// z, by far the largest tensor of the network, never leaves the chip: forward reads x and writes y
// and argmax; backward computes z again. As in pooled_conv.h, only the winner of a window carries a
// gradient, so backward does 1/pool of a dense one's work.
//
// Channels last. On the CPU forward has the bits of mono_conv.h and line_conv.h, of the same tile,
// one after the other.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/simd.h"
#include "kernels/stream.h"

namespace earshot {

constexpr int kFusedTaps = 11;      // samples under either kernel
constexpr int kFusedChannels = 32;  // the most

struct FusedBlockShape {
  int64_t n, w;          // examples; samples, fewer than 2^30
  int64_t c_mid, c_out;  // channels of z and y, 1 to 32
  int64_t pool;          // 8 or 16

  EARSHOT_HOST_DEVICE int64_t out_w() const { return w / pool; }
  EARSHOT_HOST_DEVICE int64_t weight1_count() const { return c_mid * kFusedTaps; }
  EARSHOT_HOST_DEVICE int64_t weight2_count() const { return c_out * kFusedTaps * c_mid; }
  /// Whether the kernels have this shape; the launchers throw on others.
  bool fits() const {
    return n > 0 && w >= pool && w < 1 << 30 && (pool == 8 || pool == 16) && c_mid > 0 &&
           c_out > 0 && c_mid <= kFusedChannels && c_out <= kFusedChannels;
  }
  /// Multiply-adds count twice; samples behind the last window are left out.
  double forward_flops() const {
    return 2.0 * double(n * out_w() * pool) * double(weight1_count() + weight2_count());
  }
  /// z again, two products for each tap of each winner, and weight1's gradient.
  double backward_flops() const {
    return 2.0 * double(n * out_w()) * double(2 * pool * weight1_count() + 2 * weight2_count());
  }
  /// Bytes that must cross the memory's bus in forward; weights are left out.
  double forward_bytes() const { return double(n) * double(4 * w + 5 * out_w() * c_out); }
  /// The same in backward: x, y, argmax and dy.
  double backward_bytes() const { return double(n) * double(4 * w + 9 * out_w() * c_out); }
};

struct FusedBlockForward {
  const float* x;                // [n, w]
  const float *weight1, *bias1;  // [c_mid, 11], [c_mid]
  const float *weight2, *bias2;  // [c_out, 11, c_mid], [c_out]
  float* y;                      // [n, w / pool, c_out]
  uint8_t* argmax;               // as y: the cell within the window, the first of equals; or null
  float* scratch;                // fused_block_forward_scratch floats, on a multiple of 16 bytes
};

struct FusedBlockBackward {
  const float* x;                // [n, w]
  const float *weight1, *bias1;  // as forward
  const float* weight2;          //
  const float* y;                // of forward; a window whose y is 0 carries no gradient
  const uint8_t* argmax;         //
  const float* dy;               // as y
  float *dweight1, *dbias1;      // as weight1, bias1
  float *dweight2, *dbias2;      // as weight2, bias2
  float* scratch;                // fused_block_backward_scratch floats, on a multiple of 16 bytes
};

/// Whether the CPU has this shape: 32 channels.
bool fused_block_fits(const FusedBlockShape& s);
/// `tile`: LineConv::kTile, or LineConv::kForwardTile where no gradient follows.
int64_t fused_block_forward_scratch(const FusedBlockShape& s, int threads, int64_t tile);
void fused_block_forward(const FusedBlockShape& s, const FusedBlockForward& t, int threads,
                         int64_t tile, Simd simd = best_simd());
int64_t fused_block_backward_scratch(const FusedBlockShape& s);
/// The bits do not depend on the number of threads.
void fused_block_backward(const FusedBlockShape& s, const FusedBlockBackward& t,
                          Simd simd = best_simd());

/// What the factors of the second convolution are rounded to.
enum class FusedFactors { kF32, kTf32, kBf16 };

namespace cuda {

int64_t fused_block_forward_scratch(const FusedBlockShape& s, FusedFactors factors);
/// Sums in float32, in an order that the shape alone decides; the first convolution in float32
/// throughout.
void fused_block_forward(const FusedBlockShape& s, FusedFactors factors, const FusedBlockForward& t,
                         Stream stream);

int64_t fused_block_backward_scratch(const FusedBlockShape& s, FusedFactors factors);
/// No gradient for x: it is the network's input. In float32 throughout, also for kTf32; for kBf16
/// z, weight2 and the gradients of the winners are rounded before they are multiplied.
void fused_block_backward(const FusedBlockShape& s, FusedFactors factors,
                          const FusedBlockBackward& t, Stream stream);

}  // namespace cuda
}  // namespace earshot
