// The micro-tile of a matrix product: kRows x 2 kLane sums in registers.
#pragma once

#include "kernels/lanes.h"

namespace earshot {

/// Element (i, k) of a lies at a[i * row + k * step].
struct Strided {
  const float* a;
  int64_t row, step;
};

/// c [kRows, 2 kLane] = (or += where kAdd) a [kRows, depth] b [depth, 2 kLane]; rows of b and c are
/// b_row and c_row floats apart.
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
      sum[i][j] = kAdd ? lanes_at<Isa>(c + i * c_row + j * Isa::kLane) : Lanes{};
  for (int64_t k = 0; k < depth; ++k) {
    const Lanes b0 = lanes_at<Isa>(b), b1 = lanes_at<Isa>(b + Isa::kLane);
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
    for (int j = 0; j < 2; ++j) lanes_at<Isa>(c + i * c_row + j * Isa::kLane) = sum[i][j];
}

}  // namespace earshot
