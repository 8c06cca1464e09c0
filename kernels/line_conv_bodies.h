// Bodies of LineKernels, included once for each instruction set (line_conv_avx*.cpp).
#pragma once

#include "kernels/cook_toom.h"
#include "kernels/line_conv_kernels.h"

namespace earshot {
namespace {

alignas(64) constexpr float kZeros[512] = {};

template <class Isa, class Filter>
void line_input(const PooledConvShape& s, const float* x, const LineBlock& block, int64_t step,
                float* v) {
  using Lanes = typename Isa::Lanes;
  constexpr int kPoints = Filter::kPoints;
  const float* plane = x + block.n * s.w * s.c_in;
  for (int64_t t = 0; t < block.tiles; ++t) {
    const int64_t tile = block.first + t;
    const int64_t first = tile / step * Filter::kOutputs + tile % step * Filter::kTaps;
    const float* cells[kPoints];
    for (int i = 0; i < kPoints; ++i) {
      const int64_t w = first + i - (s.kernel_w - 1) / 2;
      cells[i] = w >= 0 && w < s.w ? plane + w * s.c_in : kZeros;
    }
    for (int64_t c = 0; c < s.c_in; c += Isa::kLane) {
      Lanes values[kPoints], points[kPoints];
      for (int i = 0; i < kPoints; ++i) values[i] = Isa::load(cells[i] + c);
      cook_toom::analyse<InputTransform<Filter>>(values, points);
      for (int k = 0; k < kPoints; ++k)
        Isa::store(v + (k * block.tiles + t) * s.c_in + c, points[k]);
    }
  }
}

/// A^T m + bias of one tile.
template <class Isa, class Filter>
EARSHOT_INLINE void tile_cells(const float* m, int64_t stride, typename Isa::Lanes bias,
                               typename Isa::Lanes* cells) {
  typename Isa::Lanes points[Filter::kPoints];
  for (int k = 0; k < Filter::kPoints; ++k) points[k] = Isa::load(m + k * stride);
  cook_toom::synthesise<OutputTransform<Filter>>(points, cells);
  for (int i = 0; i < Filter::kOutputs; ++i) cells[i] += bias;
}

template <class Isa, class Filter, bool kWinners>
EARSHOT_INLINE void pooled_window(const PooledConvShape& s, const PooledConvForward& t,
                                  const float* m, int64_t stride, int64_t to, int64_t c) {
  using Lanes = typename Isa::Lanes;
  constexpr int kTile = Filter::kOutputs;
  typename Isa::Ints winner{}, number{};
  Lanes best{};
  const Lanes bias = Isa::load(t.bias + c);
  for (int64_t tile = 0; tile < s.pool_w / kTile; ++tile) {
    Lanes cells[kTile];
    tile_cells<Isa, Filter>(m + tile * s.c_out + c, stride, bias, cells);
    if (tile == 0) best = cells[0] < best ? best : cells[0];  // NaN stays
    for (int i = 0; i < kTile; ++i) {
      if constexpr (kWinners) winner = cells[i] > best ? number : winner;
      best = cells[i] > best ? cells[i] : best;
      number += 1;
    }
  }
  Isa::store(t.y + to + c, best);
  if constexpr (kWinners) Isa::store_bytes(t.argmax + to + c, winner);
}

template <class Isa, class Filter>
void line_output(const PooledConvShape& s, const PooledConvForward& t, const LineBlock& block,
                 const float* m) {
  using Lanes = typename Isa::Lanes;
  constexpr int kTile = Filter::kOutputs;
  const int64_t stride = block.tiles * s.c_out, out_w = s.w / s.pool_w;
  const int64_t step = s.pool_w == 1 ? 1 : s.pool_w / kTile;  // tiles of a window
  for (int64_t i = 0; i + step <= block.tiles; i += step) {
    const float* tile = m + i * s.c_out;
    if (s.pool_w > 1) {
      const int64_t ow = (block.first + i) / step;
      if (ow >= out_w) break;
      const int64_t to = (block.n * out_w + ow) * s.c_out;
      for (int64_t c = 0; c < s.c_out; c += Isa::kLane)
        if (t.argmax)
          pooled_window<Isa, Filter, true>(s, t, tile, stride, to, c);
        else
          pooled_window<Isa, Filter, false>(s, t, tile, stride, to, c);
      continue;
    }
    const int64_t w = (block.first + i) * kTile;
    for (int64_t c = 0; c < s.c_out; c += Isa::kLane) {
      Lanes cells[kTile];
      const Lanes zero{};
      tile_cells<Isa, Filter>(tile + c, stride, Isa::load(t.bias + c), cells);
      for (int k = 0; k < kTile && w + k < s.w; ++k)
        Isa::store(t.y + (block.n * s.w + w + k) * s.c_out + c, cells[k] < zero ? zero : cells[k]);
    }
  }
}

template <class Isa>
void line_product(const PointProducts& p) {
  product<Isa>(p);
}

template <class Isa, class Filter>
constexpr LineKernels kLineKernels{
    Filter::kOutputs,        Filter::kTaps,     Filter::kPoints,         2 * Isa::kLane,
    line_input<Isa, Filter>, line_product<Isa>, line_output<Isa, Filter>};

}  // namespace
}  // namespace earshot
