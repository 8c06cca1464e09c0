// Convolution along one axis + bias + ReLU + max-pool by minimal filtering (kernels/cook_toom.h) of
// output tiles of 4 cells. Kernels are cut into groups of 4 taps: tile t meets group g in the
// transform of tile t + g, which is there anyway, so the groups are one longer matrix product:
//   Y_t = A^T sum_g (U_g * V_(t + g))     U_g = G w_g     V_t = B^T x_t
// 7 ceil(k / 4) multiplications instead of 4 k a tile. Tiles of 8 cells have groups of 6 taps and
// share no transforms: 13 ceil(k / 6) instead of 8 k. The unpooled output never exists.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/pooled_conv.h"
#include "kernels/simd.h"

namespace earshot {

struct LineKernels;

class LineConv {
 public:
  static constexpr int64_t kTile = 4;         // output cells
  static constexpr int64_t kForwardTile = 8;  // without gradients: ten times the rounding

  /// Height 1, up to 16 taps, channels in multiples of 32 up to 512, no pool or one of 4, 8 or 16
  /// that the tile divides.
  static bool fits(const PooledConvShape& s, int64_t tile = kTile);
  /// Where it is faster than oneDNN's dense convolution: enough tiles share the transform of the
  /// weight, and an example fills half a block.
  static bool pays(const PooledConvShape& s, int64_t tile = kTile) {
    return fits(s, tile) && s.kernel_w >= 7 && s.n * s.w / 4 >= 2 * std::max(s.c_in, s.c_out) &&
           s.w >= 96;
  }

  /// A shape that fits; scratch for at most `threads` threads.
  LineConv(const PooledConvShape& shape, int threads, int64_t tile = kTile,
           Simd simd = best_simd());

  int64_t forward_scratch() const;  // floats, on a multiple of 64 bytes
  void forward(const PooledConvForward& t, float* scratch) const;

 private:
  int64_t weight_floats() const;
  int64_t block_floats() const;  // of both transformed tensors of one block

  PooledConvShape s_;
  const LineKernels& kernels_;
  int threads_;
};

}  // namespace earshot
