// Inner loops of line_conv.cpp, once for each instruction set. Tiles are held point by point.
#pragma once

#include <cstdint>

#include "kernels/matrix_tile.h"
#include "kernels/pooled_conv.h"

namespace earshot {

constexpr int64_t kLineTile = 4, kLinePoints = 7;

/// Output tiles of one example.
struct LineBlock {
  int64_t n, first, tiles;
};

struct LineKernels {
  int64_t panel;  // columns of a packed weight panel
  /// B^T x of the tiles from block.first on: v [points][block.tiles][c_in], zeros outside of x.
  void (*input)(const PooledConvShape& s, const float* x, const LineBlock& block, float* v);
  void (*product)(const PointProducts& p);  // of matrix_tile.h
  /// bias, ReLU and pool of A^T m; m [points][block.tiles][c_out]. Tiles and windows past the
  /// output are left out.
  void (*output)(const PooledConvShape& s, const PooledConvForward& t, const LineBlock& block,
                 const float* m);
};

/// U = G w of each group of taps, in double, in panels of output channels:
/// u [points][c_out / panel][groups, c_in][panel].
void transform_line_weight(const PooledConvShape& s, const float* weight, int64_t panel, float* u);

const LineKernels& line_avx2();
const LineKernels& line_avx512();  // only where best_simd() allows

}  // namespace earshot
