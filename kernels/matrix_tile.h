// Matrix products of minimal filtering: micro-tiles of kRows x 2 kLane sums in registers.
#pragma once

#include "kernels/lanes.h"

namespace earshot {

constexpr int64_t kRowsAhead = 16;  // of b, fetched from the second-level cache before their use

/// Element (i, k) of a lies at a[i * row + k * step].
struct Strided {
  const float* a;
  int64_t row, step;
};

/// c [kRows, 2 kLane] = (or += where kAdd) a [kRows, depth] b [depth, 2 kLane]; rows of b and c are
/// b_row and c_row floats apart. Fetches ahead what the next tile of a caller's loop reads: kRows
/// further rows of a and the rest of b, or the sums below these.
template <class Isa, int kRows, bool kAdd>
EARSHOT_INLINE void matrix_tile(Strided a, int64_t depth, const float* b, int64_t b_row, float* c,
                                int64_t c_row) {
  using Lanes = typename Isa::Lanes;
  static_assert(kRows % 2 == 0);
  Lanes sum[kRows][2];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j)
      sum[i][j] = kAdd ? Isa::load(c + i * c_row + j * Isa::kLane) : Lanes{};
  const float* ahead = kAdd ? c + kRows * c_row : a.a + kRows * a.row;
  for (int64_t k = 0; k < depth; ++k) {
    const Lanes b0 = Isa::load(b), b1 = Isa::load(b + Isa::kLane);
    if constexpr (kAdd) {
      if (k < kRows) {
        __builtin_prefetch(ahead);
        __builtin_prefetch(ahead + Isa::kLane);
        ahead += c_row;
      }
    } else {
      __builtin_prefetch(b + kRowsAhead * b_row);
      __builtin_prefetch(b + kRowsAhead * b_row + Isa::kLane);
      __builtin_prefetch(ahead);
      ahead += Isa::kLane;
    }
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const float x = a.a[i * a.row];
      sum[i][0] += x * b0;
      sum[i][1] += x * b1;
    }
    a.a += a.step;
    b += b_row;
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) Isa::store(c + i * c_row + j * Isa::kLane, sum[i][j]);
}

/// For each of `points` matrices c [rows, columns]. Matrices of a, b and c follow each other after
/// a_point, b_point and c_point floats, rows of a after a_row; those of b and c are dense.
struct PointProducts {
  const float* a;
  int64_t a_point, a_row;
  const float* b;
  int64_t b_point;
  float* c;
  int64_t c_point;
  int64_t points, rows, columns, depth;
};

/// c = a b: a [rows, depth], b in panels [columns / panel][depth][panel] of 2 kLane columns.
template <class Isa>
EARSHOT_INLINE void product(const PointProducts& p) {
  constexpr int64_t kPanel = 2 * Isa::kLane;
  for (int64_t k = 0; k < p.points; ++k)
    for (int64_t j = 0; j < p.columns; j += kPanel)
      for (int64_t i = 0; i < p.rows; i += Isa::kRows)
        matrix_tile<Isa, Isa::kRows, /*kAdd=*/false>(
            {p.a + k * p.a_point + i * p.a_row, p.a_row, 1}, p.depth,
            p.b + k * p.b_point + j * p.depth, kPanel, p.c + k * p.c_point + i * p.columns + j,
            p.columns);
}

/// c += a^T b: a [depth, rows], b [depth, columns].
template <class Isa>
EARSHOT_INLINE void sum_of_products(const PointProducts& p) {
  for (int64_t k = 0; k < p.points; ++k)
    for (int64_t j = 0; j < p.columns; j += 2 * Isa::kLane)
      for (int64_t i = 0; i < p.rows; i += Isa::kWeightRows)
        matrix_tile<Isa, Isa::kWeightRows, /*kAdd=*/true>(
            {p.a + k * p.a_point + i, 1, p.a_row}, p.depth, p.b + k * p.b_point + j, p.columns,
            p.c + k * p.c_point + i * p.columns + j, p.columns);
}

}  // namespace earshot
