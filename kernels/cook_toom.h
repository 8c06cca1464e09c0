// Minimal filtering by the Cook-Toom algorithm (Winograd, "Arithmetic complexity of computations",
// 1980; Lavin & Gray 2016 for convolutions): m outputs of a filter of r taps with n = m + r - 1
// multiplications, through the values at n points, the last one at infinity:
//   y = A^T ((G g) * (B^T d))     y_i = sum_j g_j d_(i + j)
//   A[k][i] = p_k^i      G[k][j] = p_k^j / N_k      N_k = prod_(l != k) (p_k - p_l)
//   B^T[k] = coefficients of prod_(l != k) (x - p_l), of all points for the last row
// at infinity A and G are 1 in their last column. All but G are dyadic: exact in float.
// Points come in pairs +-p, which share half of their multiplications.
#pragma once

#include <array>
#include <cstddef>

#include "kernels/lanes.h"

namespace earshot {

template <int kRows, int kCols>
using Matrix = std::array<std::array<double, kCols>, kRows>;

/// F(m, r): F(4, 3), F(4, 4), F(6, 4) and F(8, 6). The points were chosen by the error that they
/// leave in float32: relative to the output's deviation 6e-7, 1.4e-6 and 7.6e-6 in two dimensions
/// with 64 channels, 5e-7 of F(4, 4) and 5e-6 of F(8, 6) in one.
template <int kFilterTaps, int kTileOutputs = 4>
struct CookToom {
  static constexpr int kTaps = kFilterTaps, kOutputs = kTileOutputs, kPoints = kOutputs + kTaps - 1;
  static_assert(kTaps == 4   ? kOutputs == 4 || kOutputs == 6
                : kTaps == 3 ? kOutputs == 4
                             : kTaps == 6 && kOutputs == 8);
  /// Finite points; F(4, 3) has 0 as its unpaired one.
  static constexpr std::array<double, kPoints - 1> points() {
    if constexpr (kOutputs == 8)
      return {0.25, -0.25, 0.5, -0.5, 0.75, -0.75, 1, -1, 1.75, -1.75, 3, -3};
    else if constexpr (kOutputs == 6)
      return {0.25, -0.25, 0.625, -0.625, 1, -1, 2, -2};
    else if constexpr (kTaps == 4)
      return {0.25, -0.25, 0.75, -0.75, 1.5, -1.5};
    else
      return {0.75, -0.75, 1.5, -1.5, 0};
  }

  static constexpr std::array<double, (kPoints - 1) / 2> pairs() {  // +-p
    std::array<double, (kPoints - 1) / 2> p{};
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = points()[2 * i];
    return p;
  }

  static constexpr Matrix<kPoints, kOutputs> output() {  // A
    std::array<double, kPoints - 1> ones{};
    for (double& one : ones) one = 1;
    return powers<kOutputs>(ones);
  }
  static constexpr Matrix<kPoints, kTaps> filter() {  // G
    std::array<double, kPoints - 1> norms{};
    for (int k = 0; k + 1 < kPoints; ++k) {
      norms[k] = 1;
      for (int l = 0; l + 1 < kPoints; ++l)
        if (l != k) norms[k] *= points()[k] - points()[l];
    }
    return powers<kTaps>(norms);
  }
  static constexpr Matrix<kPoints, kPoints> input() {  // B^T
    Matrix<kPoints, kPoints> rows{};
    for (int k = 0; k < kPoints; ++k) {
      rows[k][0] = 1;
      for (int l = 0; l + 1 < kPoints; ++l) {
        if (l == k) continue;
        for (int i = kPoints - 1; i > 0; --i)
          rows[k][i] = rows[k][i - 1] - points()[l] * rows[k][i];
        rows[k][0] *= -points()[l];
      }
    }
    return rows;
  }

 private:
  template <int kCount>
  static constexpr Matrix<kPoints, kCount> powers(const std::array<double, kPoints - 1>& norms) {
    Matrix<kPoints, kCount> rows{};
    for (int k = 0; k + 1 < kPoints; ++k) {
      double power = 1;
      for (int i = 0; i < kCount; ++i, power *= points()[k]) rows[k][i] = power / norms[k];
    }
    rows[kPoints - 1][kCount - 1] = 1;
    return rows;
  }
};

// A transform is named by a type: arrays as template arguments meet a bug of GCC 12, which takes
// {1, 0} and {0, 1} for the same.
template <class Filter>
struct InputTransform {
  static constexpr auto kMatrix = Filter::input();
  static constexpr auto kPairs = Filter::pairs();
};
template <class Filter>
struct OutputTransform {
  static constexpr auto kMatrix = Filter::output();
  static constexpr auto kPairs = Filter::pairs();
};

namespace cook_toom {

/// A row pair r(+-p) as s +- p d: s and d have each half of the coefficients.
template <class Transform, int kPair>
struct Halves {
  static constexpr auto& kPlus = Transform::kMatrix[2 * kPair];
  static constexpr auto& kMinus = Transform::kMatrix[2 * kPair + 1];
  static constexpr double s(std::size_t j) { return (kPlus[j] + kMinus[j]) / 2; }
  static constexpr double d(std::size_t j) {
    return (kPlus[j] - kMinus[j]) / 2 / Transform::kPairs[kPair];
  }
};

// Rows of coefficients: kSize of them.
template <class Transform, int kPair>
struct S {
  static constexpr std::size_t kSize = Transform::kMatrix[0].size();
  static constexpr double at(std::size_t j) { return Halves<Transform, kPair>::s(j); }
};
template <class Transform, int kPair>
struct D {
  static constexpr std::size_t kSize = Transform::kMatrix[0].size();
  static constexpr double at(std::size_t j) { return Halves<Transform, kPair>::d(j); }
};
template <class Transform, int kRow>
struct Row {
  static constexpr std::size_t kSize = Transform::kMatrix[0].size();
  static constexpr double at(std::size_t j) { return Transform::kMatrix[kRow][j]; }
};
/// Column of the matrix whose row pairs were replaced by s and p d.
template <class Transform, int kColumn>
struct HalfColumn {
  static constexpr std::size_t kSize = Transform::kMatrix.size();
  static constexpr double at(std::size_t k) {
    if (k >= 2 * Transform::kPairs.size()) return Transform::kMatrix[k][kColumn];
    const double plus = Transform::kMatrix[k / 2 * 2][kColumn];
    const double minus = Transform::kMatrix[k / 2 * 2 + 1][kColumn];
    return k % 2 == 0 ? (plus + minus) / 2 : (plus - minus) / 2;
  }
};

/// sum = coefficients . x, without the products by 0 and 1.
template <class Coefficients, class Lanes, std::size_t kAt = 0, bool kStarted = false>
EARSHOT_INLINE void combine(const Lanes* x, Lanes& sum) {
  if constexpr (kAt < Coefficients::kSize) {
    constexpr auto c = static_cast<float>(Coefficients::at(kAt));
    static_assert(double{c} == Coefficients::at(kAt));
    if constexpr (c != 0) {
      if constexpr (!kStarted)
        sum = c == 1 ? x[kAt] : c * x[kAt];
      else
        sum += c == 1 ? x[kAt] : c * x[kAt];
    }
    combine<Coefficients, Lanes, kAt + 1, kStarted || c != 0>(x, sum);
  }
}

/// y = matrix x
template <class Transform, class Lanes>
EARSHOT_INLINE void analyse(const Lanes* x, Lanes* y) {
  constexpr int kRows = Transform::kMatrix.size(), kPairs = Transform::kPairs.size();
  unrolled<kPairs>([&]<int p>() __attribute__((always_inline)) {
    constexpr auto factor = static_cast<float>(Transform::kPairs[p]);
    Lanes s, d;
    combine<S<Transform, p>>(x, s);
    combine<D<Transform, p>>(x, d);
    y[2 * p] = s + factor * d;
    y[2 * p + 1] = s - factor * d;
  });
  unrolled<kRows - 2 * kPairs>([&]<int k>() __attribute__((always_inline)) {
    combine<Row<Transform, 2 * kPairs + k>>(x, y[2 * kPairs + k]);
  });
}

/// y = matrix^T x
template <class Transform, class Lanes>
EARSHOT_INLINE void synthesise(const Lanes* x, Lanes* y) {
  constexpr int kRows = Transform::kMatrix.size(), kCols = Transform::kMatrix[0].size();
  constexpr int kPairs = Transform::kPairs.size();
  Lanes z[kRows];
  unrolled<kPairs>([&]<int p>() __attribute__((always_inline)) {
    z[2 * p] = x[2 * p] + x[2 * p + 1];
    z[2 * p + 1] = x[2 * p] - x[2 * p + 1];
  });
  unrolled<kRows - 2 * kPairs>([&]<int k>() __attribute__((always_inline)) {
    z[2 * kPairs + k] = x[2 * kPairs + k];
  });
  unrolled<kCols>([&]<int j>() __attribute__((always_inline)) {
    combine<HalfColumn<Transform, j>>(z, y[j]);
  });
}

}  // namespace cook_toom
}  // namespace earshot
