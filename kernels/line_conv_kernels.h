// Inner loops of line_conv.cpp, once for each instruction set. Tiles are held point by point.
#pragma once

#include <cstdint>

#include "kernels/matrix_tile.h"
#include "kernels/pooled_conv.h"
#include "kernels/simd.h"

namespace earshot {

/// Tiles of one example.
struct LineBlock {
  int64_t n, first, tiles;
};

struct LineKernels {
  int64_t tile, taps, points;  // output cells of a tile, taps of a group, and multiplications
  int64_t panel;               // columns of a packed weight panel
  /// B^T x of the input's tiles from block.first on, `step` of them for each tile of the output:
  /// v [points][block.tiles][c_in], zeros outside of x.
  void (*input)(const PooledConvShape& s, const float* x, const LineBlock& block, int64_t step,
                float* v);
  void (*product)(const PointProducts& p);  // of matrix_tile.h
  /// bias, ReLU and pool of A^T m of output tiles; m [points][block.tiles][c_out]. Tiles and
  /// windows past the output are left out.
  void (*output)(const PooledConvShape& s, const PooledConvForward& t, const LineBlock& block,
                 const float* m);

  int64_t groups(int64_t kernel_w) const { return (kernel_w + taps - 1) / taps; }
  /// Tile t of the output meets group g in tile step t + g of the input, at cell tile t + taps g:
  /// neighbours share those where whole groups make a tile.
  int64_t step(int64_t kernel_w) const { return tile % taps == 0 ? tile / taps : groups(kernel_w); }
  int64_t input_tiles(int64_t tiles, int64_t kernel_w) const {
    return (tiles - 1) * step(kernel_w) + groups(kernel_w);
  }
};

/// U = G w of each group of taps, in double, in panels of output channels:
/// u [points][c_out / panel][groups, c_in][panel].
void transform_line_weight(const PooledConvShape& s, const LineKernels& kernels,
                           const float* weight, float* u);

// Tiles of 4 output cells and groups of 4 taps, or of 8 and 6.
const LineKernels& line_avx2(int64_t tile);
const LineKernels& line_avx512(int64_t tile);  // only where best_simd() allows
inline const LineKernels& line_kernels(int64_t tile, Simd simd) {
  return simd == Simd::kAvx512 ? line_avx512(tile) : line_avx2(tile);
}

}  // namespace earshot
