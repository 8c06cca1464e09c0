// Convolution + bias + ReLU + max-pool and its gradients by minimal filtering (kernels/cook_toom.h)
// of output tiles of 4x4 cells: 49 multiplications instead of 256 a tile for 4x4 kernels, 36
// instead of 144 for 3x3 ones; forward alone also of 6x6 cells: 81 instead of 576. Per block of
// tiles, all of it in L2: transform, one matrix product per point, transform back. The unpooled
// output and its gradient never exist.
//   forward   Y = A^T (U * V) A               U = G w G^T     V = B^T x B
//   data      the same, of the unpooled dy and the weight turned by 180 degrees
//   weight    dw = G^T (sum_tiles V * M) G     M = A dy A^T
// Bits depend on neither the thread count nor which thread did what.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "kernels/pooled_conv.h"
#include "kernels/simd.h"

namespace earshot {

struct PointProducts;
struct TileBlock;
struct WinogradKernels;

class Winograd {
 public:
  static constexpr int64_t kTile = 4;         // output cells a side
  static constexpr int64_t kForwardTile = 6;  // without gradients: five times the rounding

  /// Kernels 3x3 and 4x4, or 4x4 alone for tiles of 6x6; pools of 1, 2 or 4 cells a side that
  /// divide the tile, channels in multiples of 32 up to 512.
  static bool fits(const PooledConvShape& s, int64_t tile = kTile);
  /// Where enough tiles share the transforms of the weight: measured against oneDNN's dense
  /// convolution, which wins below.
  static bool pays(const PooledConvShape& s, int64_t tile = kTile) {
    return fits(s, tile) && tiles(s, tile) >= 2 * std::max(s.c_in, s.c_out);
  }

  /// A shape that fits; scratch for at most `threads` threads.
  Winograd(const PooledConvShape& shape, int threads, int64_t tile = kTile,
           Simd simd = best_simd());

  // Floats of `scratch`, on a multiple of 64 bytes.
  int64_t forward_scratch() const;
  int64_t data_scratch() const { return forward_scratch(); }
  int64_t weight_scratch() const;

  void forward(const PooledConvForward& t, float* scratch) const;
  /// The same of an x that `input` transforms a block at a time, in any order and on any thread, as
  /// kernels().input does.
  using Input = std::function<void(const TileBlock& block, float* v)>;
  void forward(const PooledConvForward& t, const Input& input, float* scratch) const;
  void data_gradient(const PooledConvBackward& t, float* scratch) const;    // dx
  void weight_gradient(const PooledConvBackward& t, float* scratch) const;  // dweight, dbias

  const WinogradKernels& kernels() const { return kernels_; }
  int64_t block_rows() const { return rows_; }  // tiles of a block

 private:
  static int64_t tiles(const PooledConvShape& s, int64_t tile);
  int64_t blocks() const;
  TileBlock block_of(int64_t b) const;
  int64_t parts() const;
  int64_t block_floats() const;            // of both transformed tensors of one block
  int64_t part_floats() const;             // of one partial sum of the weight's gradient
  int64_t stride(int64_t channels) const;  // floats from point to point of a transformed tensor
  PointProducts point_products(const float* v, int64_t from, const float* u, float* m,
                               int64_t to) const;
  template <class Work>
  void each_block(float* scratch, const Work& work) const;

  PooledConvShape s_;
  const WinogradKernels& kernels_;
  int threads_;
  int64_t tile_;
  int64_t points_, tiles_, rows_;  // of a tile; in all; in a block
};

}  // namespace earshot
