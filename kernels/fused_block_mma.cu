// Forward on tensor cores: z and weight2 are rounded to tf32 or bf16, sums stay in float32, and so
// does the first convolution, on the plain cores beside them. A block computes 256 samples of 32
// channels, a warp 64 by 32: the samples are the rows of the matrix products, the 11 taps of 8
// words of z what is summed over (a word is one tf32 or a pair of bf16). z and the weights pass
// through shared memory 8 words at a time, 26 KB for all, so that four blocks share a
// multiprocessor and the making of z hides behind the products of others; the weights are rounded
// and sorted by a small kernel beforehand and arrive by asynchronous copies meanwhile. Octets of
// rows that tap t + 8 would load again serve it from registers. No load conflicts: z's rows are 12
// words apart, the weights lie in the order of the fragments.
#include "kernels/copy_async.cuh"
#include "kernels/elementwise.cuh"
#include "kernels/fused_block.cuh"
#include "kernels/mma.cuh"

namespace earshot::cuda {
namespace {

constexpr int kWarps = 4, kThreads = kWarps * kWarp;
constexpr int kTile = 256, kHeld = kTile / kWarps;    // samples of a block, of a warp
constexpr int kOctets = kHeld / 8;                    // of rows of a warp
constexpr int kWords = 8, kPitch = 12;                // of a row of z
constexpr int kFours = (kTile + 2 * kReach + 3) / 4;  // of rows of z
constexpr int kWave = 4 * kFours + 12;                // samples of x
constexpr int kColumns = kChannels / 8;               // of matrices
using Four = Pack<float, 4>;
using Word4 = Pack<uint32_t, 4>;
constexpr int kChunkWords = kTaps * kColumns * 2 * kWarp;  // of weight2

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

/// Of z's channels.
template <typename F>
__host__ __device__ constexpr int chunks(const FusedBlockShape& s) {
  return static_cast<int>(ceil_div(s.c_mid, kWords * F::kInWord));
}

struct Stage {
  uint32_t z[4 * kFours * kPitch];             // [sample, word]
  Word4 weight2[kTaps * kColumns / 2][kWarp];  // [tap and pair of columns, lane]
  Four x[kWave / 4];
};

/// Outside the kernel's template: GCC places no variable of a template in the emulated section.
__device__ inline Stage& block_stage() {
  static __shared__ Stage stage;
  return stage;
}

/// weight2 in words and in the order in which lanes hold the second matrix:
/// [chunk of z's channels, tap, pair of columns, lane, column and half].
template <typename F>
struct PackWeights {
  FusedBlockShape s;
  const float* weight2;
  uint32_t* to;
  __device__ void operator()(int64_t cell) const {
    const int i = static_cast<int>(cell);
    const int half = i % 2, column = i / 2 % 2, lane = i / 4 % kWarp;
    const int pair = i / (4 * kWarp) % (kColumns / 2), tap = i / (2 * kWarp * kColumns) % kTaps;
    const int chunk = i / kChunkWords, c_mid = static_cast<int>(s.c_mid);
    const int c = (2 * pair + column) * 8 + lane / 4;
    const int m = (chunk * kWords + lane % 4 + 4 * half) * F::kInWord;
    float weight[F::kInWord];
#pragma unroll
    for (int j = 0; j < F::kInWord; ++j)
      weight[j] = c < s.c_out && m + j < c_mid ? weight2[(c * kTaps + tap) * c_mid + m + j] : 0.0f;
    to[i] = F::word(weight);
  }
};

__device__ inline void fetch_weights(const Word4* from, Stage& stage) {
  Word4* to = stage.weight2[0];
  for (int i = threadIdx.x; i < kChunkWords / 4; i += kThreads) copy_async_16(to + i, from + i);
}

/// z of the samples from `at` on. A thread makes one word of four samples at a time.
template <typename F>
__device__ inline void make_z(const FusedBlockShape& s, const FusedBlockForward& t, int first,
                              int at, Stage& stage) {
  const int word = static_cast<int>(threadIdx.x) % kWords;
  float weight[F::kInWord][kTaps] = {}, bias[F::kInWord] = {};
#pragma unroll
  for (int j = 0; j < F::kInWord; ++j) {
    const int m = first + word * F::kInWord + j;
    if (m >= s.c_mid) continue;
    bias[j] = t.bias1[m];
#pragma unroll
    for (int k = 0; k < kTaps; ++k) weight[j][k] = t.weight1[m * kTaps + k];
  }
  for (int q = static_cast<int>(threadIdx.x) / kWords; q < kFours; q += kThreads / kWords) {
    float x[16];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const Four four = stage.x[q + i];
#pragma unroll
      for (int j = 0; j < 4; ++j) x[4 * i + j] = four.v[j];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = 4 * q + i;
      const bool inside = at + row >= 0 && at + row < s.w;
      float z[F::kInWord];
#pragma unroll
      for (int j = 0; j < F::kInWord; ++j) {
        float sum = bias[j];
#pragma unroll
        for (int k = 0; k < kTaps; ++k) sum += weight[j][k] * x[i + k];
        z[j] = sum > 0 && inside ? sum : 0.0f;
      }
      stage.z[row * kPitch + word] = F::word(z);
    }
  }
}

/// Of a warp: [16 rows, 8 channels, cells of the lane].
using Sums = float[kOctets / 2][kColumns][4];

/// Octets from `skip` on, by one tap's weights.
template <typename F>
__device__ inline void multiply_tap(const Stage& stage, int tap, int lane,
                                    const uint32_t (&z)[kOctets + 1][2], int skip, Sums& sum) {
#pragma unroll
  for (int pair = 0; pair < kColumns / 2; ++pair) {
    const Word4 w = stage.weight2[tap * (kColumns / 2) + pair][lane];
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
__device__ inline void multiply_taps(const Stage& stage, int tap, const uint32_t* from, int lane,
                                     Sums& sum) {
  uint32_t z[kOctets + 1][2];
#pragma unroll
  for (int o = 0; o < kSpan; ++o)
#pragma unroll
    for (int half = 0; half < 2; ++half) z[o][half] = from[(8 * o + tap) * kPitch + 4 * half];
  multiply_tap<F>(stage, tap, lane, z, 0, sum);
  if (kSpan > kOctets) multiply_tap<F>(stage, tap + 8, lane, z, 1, sum);
}

template <typename F>
__device__ inline void multiply(const Stage& stage, int warp, int lane, Sums& sum) {
  const uint32_t* from = stage.z + (warp * kHeld + lane / 4) * kPitch + lane % 4;
#pragma unroll 1
  for (int tap = 0; tap < kTaps - 8; ++tap)
    multiply_taps<F, kOctets + 1>(stage, tap, from, lane, sum);
#pragma unroll
  for (int tap = kTaps - 8; tap < 8; ++tap)
    multiply_taps<F, kOctets>(stage, tap, from, lane, sum);
}

/// The best cell so far; of equals the first one wins.
struct Best {
  float top;
  int cell;
  __device__ void meet(const Best& other) {
    if (other.top > top || (other.top == top && other.cell < cell)) *this = other;
  }
};

/// Lanes `distance` apart share out their bests: each keeps half of them, of both.
template <int N>
__device__ inline void share_out(Best (&best)[N], int kept, unsigned distance, bool upper) {
#pragma unroll
  for (int i = 0; i < N / 2; ++i) {
    if (i >= kept) break;
    const Best give = upper ? best[i] : best[i + kept];
    const Best other{__shfl_xor_sync(kAllLanes, give.top, distance),
                     __shfl_xor_sync(kAllLanes, give.cell, distance)};
    if (upper) best[i] = best[i + kept];
    best[i].meet(other);
  }
}

/// Bias, ReLU, pool. First every lane has bests of its own rows: [window, column, 2 channels]; the
/// 8 lanes of a channel then share them out until each holds an eighth.
template <int P>
__device__ inline void store_windows(const FusedBlockShape& s, const FusedBlockForward& t,
                                     const FusedTile& tile, int warp, int lane, const Sums& sum) {
  constexpr int kWindows = kHeld / P, kBests = kWindows * kColumns * 2;
  const int row = lane / 4, place = lane % 4;
  Best best[kBests];
#pragma unroll
  for (int column = 0; column < kColumns; ++column)
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int c = column * 8 + 2 * place + j;
      const float bias = c < s.c_out ? t.bias2[c] : 0.0f;
#pragma unroll
      for (int m = 0; m < kOctets / 2; ++m) {
        const Best low{fmaxf(sum[m][column][j] + bias, 0.0f), row};
        const float high = fmaxf(sum[m][column][2 + j] + bias, 0.0f);
        const int to = m * (16 / P) * kColumns * 2 + column * 2 + j;
        best[to] = low;
        if (P == 16)
          best[to].meet({high, row + 8});
        else
          best[to + kColumns * 2] = {high, row};
      }
    }
  share_out(best, kBests / 2, 16, lane & 16);
  share_out(best, kBests / 4, 8, lane & 8);
  share_out(best, kBests / 8, 4, lane & 4);
#pragma unroll
  for (int i = 0; i < kBests / 8; ++i) {
    const int at = row * (kBests / 8) + i;
    const int c = at / 2 % kColumns * 8 + 2 * place + at % 2;
    const int window = tile.first + warp * kWindows + at / (kColumns * 2);
    if (c >= s.c_out || window >= s.out_w()) continue;
    const int64_t to = (tile.n * s.out_w() + window) * s.c_out + c;
    t.y[to] = best[i].top;
    t.argmax[to] = static_cast<uint8_t>(best[i].cell);
  }
}

template <typename F, int P>
__global__ void __launch_bounds__(kThreads, 4)
    forward(FusedBlockShape s, FusedBlockForward t, const Word4* weights) {
  Stage& stage = block_stage();
  const FusedTile tile(s, blockIdx.x, kTile / P);
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  const int first = tile.first * P;
  load_wave(s, t.x, tile.n, first - 2 * kReach, kWave, thread, kThreads, stage.x[0].v);
  Sums sum = {};
  __syncthreads();
  for (int chunk = 0; chunk < chunks<F>(s); ++chunk) {
    fetch_weights(weights + chunk * (kChunkWords / 4), stage);
    make_z<F>(s, t, chunk * kWords * F::kInWord, first - kReach, stage);
    wait_for_copies();
    __syncthreads();
    multiply<F>(stage, warp, lane, sum);
    __syncthreads();
  }
  store_windows<P>(s, t, tile, warp, lane, sum);
}

template <typename F>
void launch_forward(const FusedBlockShape& s, const FusedBlockForward& t, Stream stream) {
  launch_for_each("fused_block_forward: weights", chunks<F>(s) * kChunkWords, stream,
                  PackWeights<F>{s, t.weight2, reinterpret_cast<uint32_t*>(t.scratch)});
  const Grid grid{blocks_x(fused_tiles(s, static_cast<int>(kTile / s.pool))), kThreads};
  launch("fused_block_forward", s.pool == 16 ? forward<F, 16> : forward<F, 8>, grid, stream, s, t,
         reinterpret_cast<const Word4*>(t.scratch));
}

}  // namespace

int64_t fused_block_forward_scratch(const FusedBlockShape& s, FusedFactors factors) {
  return factors == FusedFactors::kF32    ? 0
         : factors == FusedFactors::kTf32 ? chunks<Tf32>(s) * kChunkWords
                                          : chunks<Bf16Pair>(s) * kChunkWords;
}

void fused_block_forward_mma(const FusedBlockShape& s, FusedFactors factors,
                             const FusedBlockForward& t, Stream stream) {
  if (factors == FusedFactors::kTf32)
    launch_forward<Tf32>(s, t, stream);
  else
    launch_forward<Bf16Pair>(s, t, stream);
}

}  // namespace earshot::cuda
