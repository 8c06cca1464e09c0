// The passes of frame_fft.h as templates over Avx2 or Avx512. Multiply-adds are written out: both
// instruction sets, debug and release give the same bits.
#pragma once

#include "kernels/frame_fft.h"
#include "kernels/lanes.h"

namespace earshot {

template <class Isa>
struct Point {
  using Lanes = typename Isa::Lanes;
  Lanes re, im;

  EARSHOT_INLINE static Point at(const float* p) {
    return {Isa::load(p), Isa::load(p + Isa::kLane)};
  }
  EARSHOT_INLINE void store(float* p) const {
    Isa::store(p, re);
    Isa::store(p + Isa::kLane, im);
  }
  EARSHOT_INLINE Point operator+(const Point& o) const { return {re + o.re, im + o.im}; }
  EARSHOT_INLINE Point operator-(const Point& o) const { return {re - o.re, im - o.im}; }
  /// Times e^(-i pi / 2), e^(-i pi / 4), e^(-3 i pi / 4).
  EARSHOT_INLINE Point quarter() const { return {im, -re}; }
  EARSHOT_INLINE Point eighth() const { return Point{re + im, im - re}.scaled(); }
  EARSHOT_INLINE Point three_eighths() const { return Point{im - re, -re - im}.scaled(); }
  EARSHOT_INLINE Point scaled() const {
    constexpr float kRoot = 0.70710678118654752f;
    return {re * kRoot, im * kRoot};
  }
  EARSHOT_INLINE Lanes norm() const { return Isa::multiply_add(re, re, im * im); }
  /// Times turn[0] - i turn[1].
  EARSHOT_INLINE Point turned(const float* turn) const {
    const Lanes c = Isa::all(turn[0]), s = Isa::all(turn[1]);
    return {Isa::multiply_add(im, s, re * c), Isa::multiply_add(-re, s, im * c)};
  }
};

/// y_k = sum_q x_q e^(-2 pi i q k / 4), in place.
template <class P>
EARSHOT_INLINE void dft4(P& x0, P& x1, P& x2, P& x3) {
  const P even = x0 + x2, odd = x0 - x2, sum = x1 + x3, difference = (x1 - x3).quarter();
  x0 = even + sum;
  x1 = odd + difference;
  x2 = even - sum;
  x3 = odd - difference;
}

template <class P>
EARSHOT_INLINE void dft(P (&x)[4]) {
  dft4(x[0], x[1], x[2], x[3]);
}

template <class P>
EARSHOT_INLINE void dft(P (&x)[8]) {
  P a0 = x[0] + x[4], a1 = x[1] + x[5], a2 = x[2] + x[6], a3 = x[3] + x[7];
  P b0 = x[0] - x[4], b1 = (x[1] - x[5]).eighth(), b2 = (x[2] - x[6]).quarter(),
    b3 = (x[3] - x[7]).three_eighths();
  dft4(a0, a1, a2, a3);
  dft4(b0, b1, b2, b3);
  x[0] = a0, x[2] = a1, x[4] = a2, x[6] = a3;
  x[1] = b0, x[3] = b1, x[5] = b2, x[7] = b3;
}

/// Points j, j + m, ... of kRadix m -> their DFT, turned, as point j of each kRadix-th.
template <class Isa, int kRadix>
EARSHOT_INLINE void finish_butterfly(Point<Isa> (&x)[kRadix], float* z, int64_t m, int64_t j,
                                     const float* turns) {
  dft(x);
  constexpr int64_t kStride = 2 * Isa::kLane;
  x[0].store(z + j * kStride);
  unrolled<kRadix - 1>([&]<int k>() {
    x[k + 1].turned(turns + (j * (kRadix - 1) + k) * 2).store(z + ((k + 1) * m + j) * kStride);
  });
}

template <class Isa, int kRadix>
void pass(float* z, int64_t m, const float* turns) {
  for (int64_t j = 0; j < m; ++j) {
    Point<Isa> x[kRadix];
    unrolled<kRadix>([&]<int q>() { x[q] = Point<Isa>::at(z + (j + q * m) * 2 * Isa::kLane); });
    finish_butterfly<Isa, kRadix>(x, z, m, j, turns);
  }
}

/// Samples 2 j + 256 q and the next of every frame lie in columns 2 j and 2 j + 1, q hops on.
template <class Isa>
void first_pass(const FrameFftTables& t, const float* hops, float* z) {
  constexpr int64_t kColumn = Isa::kLane + kHopsOfFrame;
  for (int64_t j = 0; j < kFramePoints / 8; ++j) {
    Point<Isa> x[8];
    unrolled<8>([&]<int q>() {
      const float* window = &t.window[2 * j + kFrameHop * q];
      const float* column = hops + 2 * j * kColumn + q;
      x[q] = {Isa::load(column) * window[0], Isa::load(column + kColumn) * window[1]};
    });
    finish_butterfly<Isa, 8>(x, z, kFramePoints / 8, j, t.first.values.data());
  }
}

template <class Isa>
void last_pass(float* z) {
  Point<Isa> x[4];
  unrolled<4>([&]<int q>() { x[q] = Point<Isa>::at(z + q * 2 * Isa::kLane); });
  dft(x);
  unrolled<4>([&]<int k>() { x[k].store(z + k * 2 * Isa::kLane); });
}

/// |X_k|^2 and |X_1024-k|^2 of Z_k and Z_1024-k, for all k.
template <class Isa>
void real_powers(const FrameFftTables& t, const float* z, float* power) {
  for (int64_t k = 0; k <= kFramePoints / 2; ++k) {
    const auto a = Point<Isa>::at(z + t.place[k] * 2 * Isa::kLane);
    const auto b = Point<Isa>::at(z + t.place[kFramePoints - k] * 2 * Isa::kLane);
    const Point<Isa> even{a.re + b.re, a.im - b.im};
    const auto odd = Point<Isa>{a.im + b.im, b.re - a.re}.turned(&t.real[2 * k]);
    const auto low = even + odd, high = even - odd;
    Isa::store(power + k * Isa::kLane, low.norm());
    Isa::store(power + (kFramePoints - k) * Isa::kLane, high.norm());
  }
}

/// hops -> power
template <class Isa>
void frame_powers(const FrameFftTables& t, FrameFftScratch& s) {
  constexpr int64_t kPoint = 2 * Isa::kLane;
  first_pass<Isa>(t, s.hops, s.points);
  for (int64_t block = 0; block < kFramePoints; block += 128) {
    pass<Isa, 8>(s.points + block * kPoint, 16, t.second.values.data());
    for (int64_t part = block; part < block + 128; part += 16) {
      pass<Isa, 4>(s.points + part * kPoint, 4, t.third.values.data());
      for (int64_t leaf = part; leaf < part + 16; leaf += 4)
        last_pass<Isa>(s.points + leaf * kPoint);
    }
  }
  real_powers<Isa>(t, s.points, s.power);
}

}  // namespace earshot
