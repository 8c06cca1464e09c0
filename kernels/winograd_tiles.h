// Inner loops of winograd.cpp, once for every instruction set and kernel size. A block of tiles is
// held point by point: [points^2][rows][channels].
#pragma once

#include <cstdint>

#include "kernels/matrix_tile.h"
#include "kernels/pooled_conv.h"
#include "kernels/winograd.h"

namespace earshot {

/// Tiles are counted through the batch, row by row. Those past `count` are zeros.
struct TileBlock {
  int64_t first, count, rows;
  int64_t spacing;  // rows from point to point: those of all that is transformed at once
  /// Floats from point to point. 64 bytes more than the tiles take: points a power of two apart
  /// would share few sets of the first-level cache.
  static int64_t stride(int64_t spacing, int64_t channels) { return spacing * channels + 16; }
  int64_t stride(int64_t channels) const { return stride(spacing, channels); }
};

/// Those of gradients are null for tiles of 6x6.
struct WinogradKernels {
  int64_t panel;  // columns of a packed weight panel
  /// B^T x B: v [points^2][rows][c_in]
  void (*input)(const PooledConvShape& s, const float* x, const TileBlock& block, float* v);
  /// The same of the unpooled gradient, for the data gradient: v [points^2][rows][c_out]
  void (*gradient_input)(const PooledConvShape& s, const PooledConvBackward& t,
                         const TileBlock& block, float* v);
  /// A dy A^T: m [points^2][rows][c_out]; dbias [c_out] += dy
  void (*gradient_output)(const PooledConvShape& s, const PooledConvBackward& t,
                          const TileBlock& block, float* m, float* dbias);
  void (*product)(const PointProducts& p);          // of matrix_tile.h
  void (*sum_of_products)(const PointProducts& p);  // of matrix_tile.h
  /// bias, ReLU and pool of A^T m A
  void (*output)(const PooledConvShape& s, const PooledConvForward& t, const TileBlock& block,
                 const float* m);
  /// dx = A^T m A
  void (*gradient)(const PooledConvShape& s, float* dx, const TileBlock& block, const float* m);
};

// Kernels of 3 or 4 taps a side; tiles of 4 output cells a side, or of 6 with 4 taps.
const WinogradKernels& winograd_avx2(int64_t taps, int64_t tile);
const WinogradKernels& winograd_avx512(int64_t taps,
                                       int64_t tile);  // only where best_simd() allows

}  // namespace earshot
