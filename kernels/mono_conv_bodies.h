// Inner loops of mono_conv.cpp, included once for each instruction set (mono_conv_avx*.cpp).
#pragma once

#include "kernels/lanes.h"
#include "kernels/mono_conv_kernels.h"

namespace earshot {
namespace {

/// y [cells, c_out] of kCells neighbours, 2 lanes of channels: relu(bias + sum of taps).
template <class Isa, int kHigh, int kWide, int kCells, bool kStream>
EARSHOT_INLINE void forward_tile(const MonoForward& t, int64_t first, int64_t c) {
  using Lanes = typename Isa::Lanes;
  Lanes sum[kCells][2];
#pragma GCC unroll 12
  for (int i = 0; i < kCells; ++i) {
    sum[i][0] = Isa::load(t.bias + c);
    sum[i][1] = Isa::load(t.bias + c + Isa::kLane);
  }
  for (int h = 0; h < kHigh; ++h)
    for (int w = 0; w < kWide; ++w) {
      const float* weight = t.weight + (h * kWide + w) * t.c_out + c;
      const float* x = t.x + h * t.stride + first + w;
      const Lanes w0 = Isa::load(weight), w1 = Isa::load(weight + Isa::kLane);
#pragma GCC unroll 12
      for (int i = 0; i < kCells; ++i) {
        sum[i][0] += x[i] * w0;
        sum[i][1] += x[i] * w1;
      }
    }
  const Lanes zero{};
#pragma GCC unroll 12
  for (int i = 0; i < kCells; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) {
      float* to = t.y + (first + i) * t.c_out + c + j * Isa::kLane;
      const Lanes y = sum[i][j] < zero ? zero : sum[i][j];  // NaN stays
      if constexpr (kStream)
        Isa::stream(to, y);
      else
        Isa::store(to, y);
    }
}

template <class Isa, int kHigh, int kWide, bool kStream>
void forward_run(const MonoForward& t) {
  int64_t i = 0;
  for (; i + Isa::kRows <= t.cells; i += Isa::kRows)
    for (int64_t c = 0; c < t.c_out; c += 2 * Isa::kLane)
      forward_tile<Isa, kHigh, kWide, Isa::kRows, kStream>(t, i, c);
  if (i < t.cells && i > 0) {  // the last cells with some of those before, anew
    for (int64_t c = 0; c < t.c_out; c += 2 * Isa::kLane)
      forward_tile<Isa, kHigh, kWide, Isa::kRows, kStream>(t, t.cells - Isa::kRows, c);
    return;
  }
  for (; i < t.cells; ++i)
    for (int64_t c = 0; c < t.c_out; c += 2 * Isa::kLane)
      forward_tile<Isa, kHigh, kWide, 1, kStream>(t, i, c);
}

/// y is larger than the caches: written past them where it lies on whole cache lines.
template <class Isa, int kHigh, int kWide>
void forward(const MonoForward& t) {
  if (reinterpret_cast<uintptr_t>(t.y) % 64 != 0) return forward_run<Isa, kHigh, kWide, false>(t);
  forward_run<Isa, kHigh, kWide, true>(t);
  _mm_sfence();
}

/// kTaps sums in registers for one lane of channels.
template <class Isa, int kHigh, int kWide>
void weight_gradient(const MonoGradient& t) {
  using Lanes = typename Isa::Lanes;
  constexpr int kTaps = kHigh * kWide;
  constexpr int64_t kChunk = 32;  // cells whose dy and y stay in L1 over the channels
  for (int64_t first = 0; first < t.cells; first += kChunk) {
    const int64_t last = first + kChunk < t.cells ? first + kChunk : t.cells;
    for (int64_t c = 0; c < t.c_out; c += Isa::kLane) {
      Lanes sum[kTaps], bias = Isa::load(t.sums + kTaps * t.c_out + c);
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) sum[k] = Isa::load(t.sums + k * t.c_out + c);
      for (int64_t i = first; i < last; ++i) {
        // The stride of c_out hides the next chunk from the processor's own prefetch.
        __builtin_prefetch(t.y + (i + kChunk) * t.c_out + c);
        __builtin_prefetch(t.dy + (i + kChunk) * t.c_out + c);
        const Lanes g = Isa::where_positive(t.y + i * t.c_out + c, t.dy + i * t.c_out + c);
        bias += g;
#pragma GCC unroll 16
        for (int k = 0; k < kTaps; ++k) sum[k] += t.x[k / kWide * t.stride + i + k % kWide] * g;
      }
#pragma GCC unroll 16
      for (int k = 0; k < kTaps; ++k) Isa::store(t.sums + k * t.c_out + c, sum[k]);
      Isa::store(t.sums + kTaps * t.c_out + c, bias);
    }
  }
}

template <class Isa>
constexpr MonoKernels kSquare{forward<Isa, 4, 4>, forward_run<Isa, 4, 4, false>,
                              weight_gradient<Isa, 4, 4>};
template <class Isa>
constexpr MonoKernels kLine{forward<Isa, 1, 11>, forward_run<Isa, 1, 11, false>,
                            weight_gradient<Isa, 1, 11>};

}  // namespace
}  // namespace earshot
