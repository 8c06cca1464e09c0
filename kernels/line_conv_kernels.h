// Inner loops of line_conv.cpp, once for each instruction set. Tiles are held point by point.
#pragma once

#include <cstdint>

#include "kernels/matrix_tile.h"
#include "kernels/pooled_conv.h"
#include "kernels/simd.h"

namespace earshot {

constexpr int64_t kLineGroup = 4;  // taps of a group, and cells between the tiles of the input

/// Tiles of one example.
struct LineBlock {
  int64_t n, first, tiles;
};

struct LineKernels {
  int64_t tile, points;  // output cells of a tile, and its multiplications
  int64_t panel;         // columns of a packed weight panel
  /// B^T x of the input's tiles from block.first on: v [points][block.tiles][c_in], zeros outside
  /// of x.
  void (*input)(const PooledConvShape& s, const float* x, const LineBlock& block, float* v);
  void (*product)(const PointProducts& p);  // of matrix_tile.h
  /// bias, ReLU and pool of A^T m of output tiles; m [points][block.tiles][c_out]. Tiles and
  /// windows past the output are left out.
  void (*output)(const PooledConvShape& s, const PooledConvForward& t, const LineBlock& block,
                 const float* m);
};

/// U = G w of each group of taps, in double, in panels of output channels:
/// u [points][c_out / panel][groups, c_in][panel].
void transform_line_weight(const PooledConvShape& s, const LineKernels& kernels,
                           const float* weight, float* u);

// Tiles of 4 or 8 output cells.
const LineKernels& line_avx2(int64_t tile);
const LineKernels& line_avx512(int64_t tile);  // only where best_simd() allows
inline const LineKernels& line_kernels(int64_t tile, Simd simd) {
  return simd == Simd::kAvx512 ? line_avx512(tile) : line_avx2(tile);
}

}  // namespace earshot
