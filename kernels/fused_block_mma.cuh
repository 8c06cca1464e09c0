// What the tensor-core kernels of the fused block share: words, weights in the order of the
// fragments, and the product of rows of 8 words under 11 taps with 32 columns.
#pragma once

#include "kernels/copy_async.cuh"
#include "kernels/elementwise.cuh"
#include "kernels/fused_block.cuh"
#include "kernels/mma.cuh"

namespace earshot::cuda {

constexpr int kWarps = 4, kThreads = kWarps * kWarp;
constexpr int kTile = 256, kHeld = kTile / kWarps;    // samples of a block, of a warp
constexpr int kOctets = kHeld / 8;                    // of rows of a warp
constexpr int kWords = 8, kPitch = 12;                // of a row
constexpr int kFours = (kTile + 2 * kReach + 3) / 4;  // of rows, with the halo
constexpr int kWave = 4 * kFours + 12;                // samples of x
constexpr int kColumns = kChannels / 8;               // of matrices
using Four = Pack<float, 4>;
using Word4 = Pack<uint32_t, 4>;
constexpr int kChunkWords = kTaps * kColumns * 2 * kWarp;  // of weight2 at a time

/// The factors of the products.
struct Tf32 {
  static constexpr int kInWord = 1;
  __device__ static uint32_t word(const float (&x)[1]) { return to_tf32(x[0]); }
  __device__ static void multiply(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_tf32(sum, a, b);
  }
};
struct Bf16Pair {
  static constexpr int kInWord = 2;
  __device__ static uint32_t word(const float (&x)[2]) { return to_bf16_pair(x[0], x[1]); }
  __device__ static void multiply(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    mma_bf16(sum, a, b);
  }
};

/// How many times 8 words hold `channels`.
template <typename F>
__host__ __device__ constexpr int chunks_of(int64_t channels) {
  return static_cast<int>(ceil_div(channels, kWords * F::kInWord));
}

/// weight2 in words and in the order in which lanes hold the second matrix:
/// [chunk of the channels summed over, tap, pair of columns, lane, column and half].
/// Forward sums over z's channels; backward over y's, with the taps reversed.
template <typename F>
struct PackWeights {
  FusedBlockShape s;
  bool backward;
  const float* weight2;
  uint32_t* to;
  __device__ float weight(int summed, int tap, int column) const {
    const int c_mid = static_cast<int>(s.c_mid);
    const int c = backward ? summed : column, m = backward ? column : summed;
    if (c >= s.c_out || m >= c_mid) return 0.0f;
    return weight2[(c * kTaps + (backward ? kTaps - 1 - tap : tap)) * c_mid + m];
  }
  __device__ void operator()(int64_t cell) const {
    const int i = static_cast<int>(cell);
    const int half = i % 2, column = i / 2 % 2, lane = i / 4 % kWarp;
    const int pair = i / (4 * kWarp) % (kColumns / 2), tap = i / (2 * kWarp * kColumns) % kTaps;
    const int summed = (i / kChunkWords * kWords + lane % 4 + 4 * half) * F::kInWord;
    float words[F::kInWord];
#pragma unroll
    for (int j = 0; j < F::kInWord; ++j)
      words[j] = weight(summed + j, tap, (2 * pair + column) * 8 + lane / 4);
    to[i] = F::word(words);
  }
};

using Weights = Word4[kTaps * kColumns / 2][kWarp];  // [tap and pair of columns, lane]

__device__ inline void fetch_weights(const Word4* from, Weights& weights) {
  Word4* to = weights[0];
  for (int i = threadIdx.x; i < kChunkWords / 4; i += kThreads) copy_async_16(to + i, from + i);
}

/// Of a warp: [16 rows, 8 channels, cells of the lane].
using Sums = float[kOctets / 2][kColumns][4];

/// Octets of rows from `skip` on, by one tap's weights.
template <typename F>
__device__ inline void multiply_tap(const Weights& weights, int tap, int lane,
                                    const uint32_t (&z)[kOctets + 1][2], int skip, Sums& sum) {
#pragma unroll
  for (int pair = 0; pair < kColumns / 2; ++pair) {
    const Word4 w = weights[tap * (kColumns / 2) + pair][lane];
#pragma unroll
    for (int m = 0; m < kOctets / 2; ++m) {
      const int o = 2 * m + skip;
      const uint32_t a[4] = {z[o][0], z[o + 1][0], z[o][1], z[o + 1][1]};
#pragma unroll
      for (int column = 0; column < 2; ++column)
        F::multiply(sum[m][2 * pair + column], a, {w.v[2 * column], w.v[2 * column + 1]});
    }
  }
}

template <typename F, int kSpan>
__device__ inline void multiply_taps(const Weights& weights, int tap, const uint32_t* from,
                                     int lane, Sums& sum) {
  uint32_t z[kOctets + 1][2];
#pragma unroll
  for (int o = 0; o < kSpan; ++o)
#pragma unroll
    for (int half = 0; half < 2; ++half) z[o][half] = from[(8 * o + tap) * kPitch + 4 * half];
  multiply_tap<F>(weights, tap, lane, z, 0, sum);
  if (kSpan > kOctets) multiply_tap<F>(weights, tap + 8, lane, z, 1, sum);
}

/// sum += rows [sample, kPitch words, 8 of them in use], by the weights of all taps.
template <typename F>
__device__ inline void multiply(const uint32_t* rows, const Weights& weights, int warp, int lane,
                                Sums& sum) {
  const uint32_t* from = rows + (warp * kHeld + lane / 4) * kPitch + lane % 4;
#pragma unroll 1
  for (int tap = 0; tap < kTaps - 8; ++tap)
    multiply_taps<F, kOctets + 1>(weights, tap, from, lane, sum);
#pragma unroll
  for (int tap = kTaps - 8; tap < 8; ++tap)
    multiply_taps<F, kOctets>(weights, tap, from, lane, sum);
}

}  // namespace earshot::cuda
