// Forward on tensor cores: z and weight2 are rounded to tf32 or bf16, sums stay in float32, and so
// does the first convolution, on the plain cores beside them. A block computes 256 samples of 32
// channels, a warp 64 by 32: the samples are the rows of the matrix products, the 11 taps of 8
// words of z what is summed over (a word is one tf32 or a pair of bf16). z and the weights pass
// through shared memory 8 words at a time, 26 KB for all, so that four blocks share a
// multiprocessor and the making of z hides behind the products of others; the weights are rounded
// and sorted by a small kernel beforehand and arrive by asynchronous copies meanwhile. Octets of
// rows that tap t + 8 would load again serve it from registers. No load conflicts: z's rows are 12
// words apart, the weights lie in the order of the fragments.
#include "kernels/fused_block_mma.cuh"

namespace earshot::cuda {
namespace {

struct Stage {
  uint32_t z[4 * kFours * kPitch];  // [sample, word]
  Weights weight2;
  Four x[kWave / 4];
};

/// Outside the kernel's template: GCC places no variable of a template in the emulated section.
__device__ inline Stage& block_stage() {
  static __shared__ Stage stage;
  return stage;
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
    if (t.argmax) t.argmax[to] = static_cast<uint8_t>(best[i].cell);
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
  for (int chunk = 0; chunk < chunks_of<F>(s.c_mid); ++chunk) {
    fetch_weights(weights + chunk * (kChunkWords / 4), stage.weight2);
    make_z<F>(s, t, chunk * kWords * F::kInWord, first - kReach, stage);
    wait_for_copies();
    __syncthreads();
    multiply<F>(stage.z, stage.weight2, warp, lane, sum);
    __syncthreads();
  }
  store_windows<P>(s, t, tile, warp, lane, sum);
}

template <typename F>
void launch_forward(const FusedBlockShape& s, const FusedBlockForward& t, Stream stream) {
  launch_for_each(
      "fused_block_forward: weights", chunks_of<F>(s.c_mid) * kChunkWords, stream,
      PackWeights<F>{s, /*backward=*/false, t.weight2, reinterpret_cast<uint32_t*>(t.scratch)});
  const Grid grid{blocks_x(fused_tiles(s, static_cast<int>(kTile / s.pool))), kThreads};
  launch("fused_block_forward", s.pool == 16 ? forward<F, 16> : forward<F, 8>, grid, stream, s, t,
         reinterpret_cast<const Word4*>(t.scratch));
}

}  // namespace

int64_t fused_block_forward_scratch(const FusedBlockShape& s, FusedFactors factors) {
  return factors == FusedFactors::kF32    ? 0
         : factors == FusedFactors::kTf32 ? chunks_of<Tf32>(s.c_mid) * kChunkWords
                                          : chunks_of<Bf16Pair>(s.c_mid) * kChunkWords;
}

void fused_block_forward_mma(const FusedBlockShape& s, FusedFactors factors,
                             const FusedBlockForward& t, Stream stream) {
  if (factors == FusedFactors::kTf32)
    launch_forward<Tf32>(s, t, stream);
  else
    launch_forward<Bf16Pair>(s, t, stream);
}

}  // namespace earshot::cuda
