// Bodies of WinogradKernels, included once for each instruction set (winograd_avx*.cpp): everything
// here depends on it.
#pragma once

#include "kernels/cook_toom.h"
#include "kernels/matrix_tile.h"
#include "kernels/winograd_tiles.h"

namespace earshot {
namespace {

alignas(64) constexpr float kZeros[512] = {};

struct Position {
  int64_t n, h, w;  // example and first output cell
};

template <int kTile>
EARSHOT_INLINE Position position(const PooledConvShape& s, int64_t tile) {
  const int64_t across = (s.w + kTile - 1) / kTile, down = (s.h + kTile - 1) / kTile;
  return {tile / (across * down), tile / across % down * kTile, tile % across * kTile};
}

/// Where the cells around a tile lie; zeros outside of the plane.
template <class Filter>
struct Cells {
  static constexpr int kSize = Filter::kPoints;
  const float* at[kSize * kSize];

  EARSHOT_INLINE void locate(const PooledConvShape& s, const float* x, const TileBlock& block,
                             int64_t t) {
    const Position p = position<Filter::kOutputs>(s, block.first + t);
    const int64_t h0 = p.h - (s.kernel_h - 1) / 2, w0 = p.w - (s.kernel_w - 1) / 2;
    for (int i = 0; i < kSize; ++i)
      for (int j = 0; j < kSize; ++j) {
        const int64_t h = h0 + i, w = w0 + j;
        const bool inside = t < block.count && h >= 0 && h < s.h && w >= 0 && w < s.w;
        at[i * kSize + j] = inside ? x + ((p.n * s.h + h) * s.w + w) * s.c_in : kZeros;
      }
  }
  template <class Isa>
  EARSHOT_INLINE void load(int cell, int64_t c, typename Isa::Lanes& value) const {
    value = Isa::load(at[cell] + c);
  }
};

/// The same of the gradient in front of the pool and the ReLU: a window's gradient goes to its
/// winner alone, and only where the winner is positive.
template <int kSize, bool kPooled>
struct GradientCells {
  const float* dy[kSize * kSize];
  int64_t window[kSize * kSize];
  int32_t cell_of[kSize * kSize];
  const float* y;
  const uint8_t* argmax;

  EARSHOT_INLINE void locate(const PooledConvShape& s, const PooledConvBackward& t, Position p,
                             bool used) {
    y = t.y;
    argmax = t.argmax;
    const int64_t out_h = s.h / s.pool_h, out_w = s.w / s.pool_w;
    for (int i = 0; i < kSize; ++i)
      for (int j = 0; j < kSize; ++j) {
        const int64_t h = p.h + i, w = p.w + j, oh = h / s.pool_h, ow = w / s.pool_w;
        const bool inside = used && h >= 0 && oh < out_h && w >= 0 && ow < out_w;
        const int k = i * kSize + j;
        window[k] = inside ? ((p.n * out_h + oh) * out_w + ow) * s.c_out : 0;
        cell_of[k] = static_cast<int32_t>(h % s.pool_h * s.pool_w + w % s.pool_w);
        dy[k] = inside ? t.dy + window[k] : kZeros;
      }
  }
  template <class Isa>
  EARSHOT_INLINE void load(int k, int64_t c, typename Isa::Lanes& value) const {
    value = Isa::where_positive(y + window[k] + c, dy[k] + c);
    if constexpr (kPooled) value = Isa::where_equal(argmax + window[k] + c, cell_of[k], value);
  }
};

/// to[k, l] = (matrix cells matrix^T)[k, l] for one lane of channels; points are `stride` apart.
template <class Isa, class Transform, class Source>
EARSHOT_INLINE void transform(const Source& cells, int64_t c, float* to, int64_t stride) {
  using Lanes = typename Isa::Lanes;
  constexpr int kRows = Transform::kMatrix.size(), kCols = Transform::kMatrix[0].size();
  Lanes half[kRows][kCols];
  for (int j = 0; j < kCols; ++j) {
    Lanes column[kCols], points[kRows];
    for (int i = 0; i < kCols; ++i) cells.template load<Isa>(i * kCols + j, c, column[i]);
    cook_toom::analyse<Transform>(column, points);
    for (int k = 0; k < kRows; ++k) half[k][j] = points[k];
  }
  for (int k = 0; k < kRows; ++k) {
    Lanes points[kRows];
    cook_toom::analyse<Transform>(half[k], points);
    for (int l = 0; l < kRows; ++l) Isa::store(to + (k * kRows + l) * stride, points[l]);
  }
}

/// y = (A^T m A) for one lane of channels.
template <class Isa, class Filter>
EARSHOT_INLINE void transform_back(const float* m, int64_t stride,
                                   typename Isa::Lanes (*y)[Filter::kOutputs]) {
  using Lanes = typename Isa::Lanes;
  constexpr int kPoints = Filter::kPoints, kTile = Filter::kOutputs;
  Lanes half[kTile][kPoints];
  for (int l = 0; l < kPoints; ++l) {
    Lanes column[kPoints], cells[kTile];
    for (int k = 0; k < kPoints; ++k) column[k] = Isa::load(m + (k * kPoints + l) * stride);
    cook_toom::synthesise<OutputTransform<Filter>>(column, cells);
    for (int i = 0; i < kTile; ++i) half[i][l] = cells[i];
  }
  for (int i = 0; i < kTile; ++i) cook_toom::synthesise<OutputTransform<Filter>>(half[i], y[i]);
}

// One struct for each member of WinogradKernels, for its two instruction sets.

struct Input {
  template <class Isa, class Filter>
  EARSHOT_INLINE static void run(const PooledConvShape& s, const float* x, const TileBlock& block,
                                 float* v) {
    Cells<Filter> cells;
    for (int64_t t = 0; t < block.rows; ++t) {
      cells.locate(s, x, block, t);
      for (int64_t c = 0; c < s.c_in; c += Isa::kLane)
        transform<Isa, InputTransform<Filter>>(cells, c, v + t * s.c_in + c, block.stride(s.c_in));
    }
  }
};

template <class Isa, class Filter, bool kPooled>
EARSHOT_INLINE void gradient_input_of(const PooledConvShape& s, const PooledConvBackward& t,
                                      const TileBlock& block, float* v) {
  GradientCells<Filter::kPoints, kPooled> cells;
  for (int64_t i = 0; i < block.rows; ++i) {
    Position p = position<Filter::kOutputs>(s, block.first + i);
    p.h -= s.kernel_h / 2;  // the turned kernel begins with what was its end
    p.w -= s.kernel_w / 2;
    cells.locate(s, t, p, i < block.count);
    for (int64_t c = 0; c < s.c_out; c += Isa::kLane)
      transform<Isa, InputTransform<Filter>>(cells, c, v + i * s.c_out + c, block.stride(s.c_out));
  }
}

template <class Isa, class Filter, bool kPooled>
EARSHOT_INLINE void gradient_output_of(const PooledConvShape& s, const PooledConvBackward& t,
                                       const TileBlock& block, float* m, float* dbias) {
  using Lanes = typename Isa::Lanes;
  constexpr int kTile = Filter::kOutputs;
  GradientCells<kTile, kPooled> cells;
  for (int64_t i = 0; i < block.rows; ++i) {
    cells.locate(s, t, position<kTile>(s, block.first + i), i < block.count);
    for (int64_t c = 0; c < s.c_out; c += Isa::kLane) {
      Lanes sum{}, value;
      for (int k = 0; k < kTile * kTile; ++k) {
        cells.template load<Isa>(k, c, value);
        sum += value;
      }
      Isa::store(dbias + c, Isa::load(dbias + c) + sum);
      transform<Isa, OutputTransform<Filter>>(cells, c, m + i * s.c_out + c, block.stride(s.c_out));
    }
  }
}

struct GradientInput {
  template <class Isa, class Filter>
  EARSHOT_INLINE static void run(const PooledConvShape& s, const PooledConvBackward& t,
                                 const TileBlock& block, float* v) {
    if (s.pool_h * s.pool_w > 1)
      gradient_input_of<Isa, Filter, true>(s, t, block, v);
    else
      gradient_input_of<Isa, Filter, false>(s, t, block, v);
  }
};

struct GradientOutput {
  template <class Isa, class Filter>
  EARSHOT_INLINE static void run(const PooledConvShape& s, const PooledConvBackward& t,
                                 const TileBlock& block, float* m, float* dbias) {
    if (s.pool_h * s.pool_w > 1)
      gradient_output_of<Isa, Filter, true>(s, t, block, m, dbias);
    else
      gradient_output_of<Isa, Filter, false>(s, t, block, m, dbias);
  }
};

struct Product {
  template <class Isa, class>
  EARSHOT_INLINE static void run(const PointProducts& p) {
    product<Isa>(p);
  }
};

struct SumOfProducts {
  template <class Isa, class>
  EARSHOT_INLINE static void run(const PointProducts& p) {
    sum_of_products<Isa>(p);
  }
};

/// The windows of one tile that lie in the output; which cell won them where kWinners.
template <class Isa, bool kWinners, int kTile>
EARSHOT_INLINE void pool_tile(const PooledConvShape& s, const PooledConvForward& t, Position p,
                              int64_t c, const typename Isa::Lanes (*cells)[kTile]) {
  using Lanes = typename Isa::Lanes;
  using Ints = typename Isa::Ints;
  const int64_t out_h = s.h / s.pool_h, out_w = s.w / s.pool_w;
  const int pool_h = static_cast<int>(s.pool_h), pool_w = static_cast<int>(s.pool_w);
  const Lanes zero{};
  for (int i = 0; i < kTile; i += pool_h)
    for (int j = 0; j < kTile; j += pool_w) {
      const int64_t oh = (p.h + i) / pool_h, ow = (p.w + j) / pool_w;
      if (oh >= out_h || ow >= out_w) continue;
      const int64_t to = ((p.n * out_h + oh) * out_w + ow) * s.c_out + c;
      Lanes best = cells[i][j] < zero ? zero : cells[i][j];  // NaN stays
      Ints winner{};
      for (int cell = 1; cell < pool_h * pool_w; ++cell) {
        const Lanes x = cells[i + cell / pool_w][j + cell % pool_w];
        const Ints number = Ints{} + cell;
        if constexpr (kWinners) winner = x > best ? number : winner;
        best = x > best ? x : best;
      }
      Isa::store(t.y + to, best);
      if constexpr (kWinners) Isa::store_bytes(t.argmax + to, winner);
    }
}

struct Output {
  template <class Isa, class Filter>
  EARSHOT_INLINE static void run(const PooledConvShape& s, const PooledConvForward& t,
                                 const TileBlock& block, const float* m) {
    constexpr int kTile = Filter::kOutputs;
    for (int64_t i = 0; i < block.count; ++i) {
      const Position p = position<kTile>(s, block.first + i);
      for (int64_t c = 0; c < s.c_out; c += Isa::kLane) {
        typename Isa::Lanes cells[kTile][kTile];
        transform_back<Isa, Filter>(m + i * s.c_out + c, block.stride(s.c_out), cells);
        for (auto& row : cells)
          for (auto& cell : row) cell += Isa::load(t.bias + c);
        if (t.argmax)
          pool_tile<Isa, true, kTile>(s, t, p, c, cells);
        else
          pool_tile<Isa, false, kTile>(s, t, p, c, cells);
      }
    }
  }
};

struct Gradient {
  template <class Isa, class Filter>
  EARSHOT_INLINE static void run(const PooledConvShape& s, float* dx, const TileBlock& block,
                                 const float* m) {
    constexpr int kTile = Filter::kOutputs;
    for (int64_t i = 0; i < block.count; ++i) {
      const Position p = position<kTile>(s, block.first + i);
      for (int64_t c = 0; c < s.c_in; c += Isa::kLane) {
        typename Isa::Lanes cells[kTile][kTile];
        transform_back<Isa, Filter>(m + i * s.c_in + c, block.stride(s.c_in), cells);
        for (int h = 0; h < kTile && p.h + h < s.h; ++h)
          for (int w = 0; w < kTile && p.w + w < s.w; ++w)
            Isa::store(dx + ((p.n * s.h + p.h + h) * s.w + p.w + w) * s.c_in + c, cells[h][w]);
      }
    }
  }
};

template <class Isa, class Filter, class Body, class... Arguments>
void entry(Arguments... arguments) {
  Body::template run<Isa, Filter>(arguments...);
}

template <class Isa, class Filter>
constexpr WinogradKernels kWinogradKernels{2 * Isa::kLane,
                                           entry<Isa, Filter, Input>,
                                           entry<Isa, Filter, GradientInput>,
                                           entry<Isa, Filter, GradientOutput>,
                                           entry<Isa, Filter, Product>,
                                           entry<Isa, Filter, SumOfProducts>,
                                           entry<Isa, Filter, Output>,
                                           entry<Isa, Filter, Gradient>};
template <class Isa, class Filter>
constexpr WinogradKernels kForwardKernels{
    2 * Isa::kLane, entry<Isa, Filter, Input>,  nullptr, nullptr, entry<Isa, Filter, Product>,
    nullptr,        entry<Isa, Filter, Output>, nullptr};

}  // namespace
}  // namespace earshot
