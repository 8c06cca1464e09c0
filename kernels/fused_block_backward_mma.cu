// Backward on bf16 tensor cores, two kernels over tiles of 256 samples whose blocks keep sums in
// registers; z, weight2 and the gradients that the winners carry are rounded, sums are float32.
//   dweight2: [32 channels of y, samples] by [samples, 8 channels of z] for each tap. Lanes make
//   the
//     first matrix from the winners, of which one sample in `pool` is not 0; a warp has 8 channels
//     of z under all taps, read transposed, and tap t + 8 uses the octets of tap t again.
//   dz, dweight1: the winners as rows [sample, channel of y] by weight2 with its taps reversed, the
//     product of forward; then a lane is a channel of z, computes z again for its mask, and adds
//     dweight1 in float32 throughout.
#include "kernels/fused_block_mma.cuh"

namespace earshot::cuda {
namespace {

constexpr int kZWords = kChannels / 2, kZPitch = 20;  // of a row of z: octets of rows hit all banks
constexpr int kRows = 4 * kFours;
constexpr int kMostWindows = kTile / 8 + 2;  // with one on either side
constexpr int kHalf = kTile / 2, kDzPitch = 36;
constexpr int64_t kMostParts = 792;      // two waves of the 396 blocks that an H100 holds
constexpr int kOffsets = kTaps + 8 + 1;  // octets of samples under all taps, rounded up to fours

/// The gradient as bf16 in the upper half, the cell that takes it in the lower one.
using Winners = uint32_t[kMostWindows][kChannels];

__device__ inline uint32_t gradient_at(uint32_t winner, int cell) {
  return static_cast<int>(winner & 0xffff) == cell ? winner >> 16 : 0;
}

/// `count` windows from `first` on, also such as do not exist. Returns the sum of this thread's
/// gradients, all of channel threadIdx.x % 32.
__device__ inline float load_winners(const FusedBlockShape& s, const FusedBlockBackward& t, int n,
                                     int first, int count, Winners& to) {
  const int c = static_cast<int>(threadIdx.x) % kChannels;
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x) / kChannels; i < count; i += kThreads / kChannels) {
    uint32_t winner = 0;
    const int window = first + i;
    if (c < s.c_out && window >= 0 && window < s.out_w()) {
      const int64_t from = (n * s.out_w() + window) * s.c_out + c;
      if (t.y[from] > 0) {
        const float g = t.dy[from];
        winner = to_bf16_pair(0.0f, g) | t.argmax[from];
        sum += g;
      }
    }
    to[i][c] = winner;
  }
  return sum;
}

/// One channel of the first convolution.
struct FirstLayer {
  float weight[kTaps] = {}, bias = 0;
  __device__ FirstLayer(const FusedBlockShape& s, const FusedBlockBackward& t, int m) {
    if (m >= s.c_mid) return;  // z of a channel that is not there is 0
    bias = t.bias1[m];
#pragma unroll
    for (int k = 0; k < kTaps; ++k) weight[k] = t.weight1[m * kTaps + k];
  }
  __device__ float z(const float* x) const {  // before the ReLU
    float sum = bias;
#pragma unroll
    for (int k = 0; k < kTaps; ++k) sum += weight[k] * x[k];
    return sum;
  }
};

__device__ inline void load_four(const Four* from, float (&x)[16]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const Four four = from[i];
#pragma unroll
    for (int j = 0; j < 4; ++j) x[4 * i + j] = four.v[j];
  }
}

// dweight2.

struct Weight2Stage {
  uint32_t z[kRows * kZPitch];  // [sample, pair of channels]
  Four x[kWave / 4];
  Winners winners;
  float bias[kWarps][kChannels];
};
__device__ inline Weight2Stage& weight2_stage() {
  static __shared__ Weight2Stage stage;
  return stage;
}

__device__ inline void make_z(const FusedBlockShape& s, const FusedBlockBackward& t, int at,
                              Weight2Stage& stage) {
  const int word = static_cast<int>(threadIdx.x) % kZWords;
  const FirstLayer low(s, t, 2 * word), high(s, t, 2 * word + 1);
  for (int q = static_cast<int>(threadIdx.x) / kZWords; q < kFours; q += kThreads / kZWords) {
    float x[16];
    load_four(stage.x + q, x);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = 4 * q + i;
      const bool inside = at + row >= 0 && at + row < s.w;
      stage.z[row * kZPitch + word] =
          inside ? to_bf16_pair(fmaxf(low.z(x + i), 0.0f), fmaxf(high.z(x + i), 0.0f)) : 0;
    }
  }
}

/// [half of the channels of y, tap, cells of the lane]
using Weight2Sums = float[2][kTaps][4];

/// 16 samples: one window of 16 cells or two of 8.
template <int P>
__device__ inline void add_weight2(const Weight2Stage& stage, int group, int warp, int lane,
                                   Weight2Sums& sum) {
  const int row = lane / 4, place = lane % 4, window = group * (16 / P);
  uint32_t a[2][4];
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int cell = 2 * place + (P == 16 ? i / 2 * 8 : 0);
      const uint32_t winner =
          stage.winners[window + (P == 16 ? 0 : i / 2)][half * 16 + i % 2 * 8 + row];
      a[half][i] = gradient_at(winner, cell) | gradient_at(winner, cell + 1) << 16;
    }
  uint32_t octet[kOffsets];
  const uint32_t* from =
      stage.z + (group * 16 + lane / 8 + lane % 8) * kZPitch + warp * (kZWords / kWarps);
#pragma unroll
  for (int i = 0; i < kOffsets / 4; ++i) {
    uint32_t four[4];
    load_transposed(four, from + 4 * i * kZPitch);
#pragma unroll
    for (int j = 0; j < 4; ++j) octet[4 * i + j] = four[j];
  }
#pragma unroll
  for (int tap = 0; tap < kTaps; ++tap)
#pragma unroll
    for (int half = 0; half < 2; ++half)
      mma_bf16(sum[half][tap], a[half], {octet[tap], octet[tap + 8]});
}

/// The sums of `count` values a lane over the warps, in their order, to every warp.
__device__ inline float over_warps(const float (&of_warp)[kWarps][kChannels], int lane) {
  float sum = of_warp[0][lane];
#pragma unroll
  for (int warp = 1; warp < kWarps; ++warp) sum += of_warp[warp][lane];
  return sum;
}

template <int P>
__global__ void __launch_bounds__(kThreads, 3)
    weight2_gradient(FusedBlockShape s, FusedBlockBackward t, FusedParts parts, FusedSums places) {
  Weight2Stage& stage = weight2_stage();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  Weight2Sums sum = {};
  float bias = 0;
  const int64_t part = blockIdx.x;
  for (int64_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
    const FusedTile tile(s, i, kTile / P);
    const int first = tile.first * P;
    load_wave(s, t.x, tile.n, first - 2 * kReach, kWave, thread, kThreads, stage.x[0].v);
    bias += load_winners(s, t, tile.n, tile.first, kTile / P, stage.winners);
    __syncthreads();
    make_z(s, t, first - kReach, stage);
    __syncthreads();
#pragma unroll 1
    for (int group = 0; group < kTile / 16; ++group) add_weight2<P>(stage, group, warp, lane, sum);
    __syncthreads();
  }
  float* to = t.scratch + part * places.length;
  const int c_mid = static_cast<int>(s.c_mid);
#pragma unroll
  for (int half = 0; half < 2; ++half)
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int c = half * 16 + j / 2 * 8 + lane / 4, m = warp * 8 + 2 * (lane % 4) + j % 2;
        if (c < s.c_out && m < c_mid) to[(c * kTaps + tap) * c_mid + m] = sum[half][tap][j];
      }
  stage.bias[warp][lane] = bias;
  __syncthreads();
  if (warp == 0 && lane < s.c_out) to[places.weight2 + lane] = over_warps(stage.bias, lane);
}

// dz and dweight1.

struct FirstStage {
  union {
    struct {
      uint32_t gradients[kRows * kPitch];  // [sample, pair of channels of y]
      Weights weight2;
    };
    float dz[kHalf][kDzPitch];
    float sums[kTaps + 1][kWarps][kChannels];
  };
  Four x[kTile / 4 + 4];
  Winners winners;
};
__device__ inline FirstStage& first_stage() {
  static __shared__ FirstStage stage;
  return stage;
}

/// Tiles of samples: dz reaches behind the last window.
struct SampleTiles {
  int per_example;
  explicit SampleTiles(const FusedBlockShape& s)
      : per_example(static_cast<int>(ceil_div(s.out_w() * s.pool + kReach, kTile))) {}
};

/// Rows of gradients for 16 channels of y, the first 5 samples before the tile; winners[0] is the
/// window before it.
template <int P>
__device__ inline void spread_winners(int chunk, FirstStage& stage) {
  const int word = static_cast<int>(threadIdx.x) % kWords, c = (chunk * kWords + word) * 2;
  for (int v = static_cast<int>(threadIdx.x) / kWords; v < kTile / P + 2; v += kThreads / kWords) {
    const uint32_t low = stage.winners[v][c], high = stage.winners[v][c + 1];
#pragma unroll
    for (int i = 0; i < P; ++i) {
      const int cell = (i + v) % P, row = (v - 1) * P + cell + kReach;  // spares banks
      if (row >= 0 && row < kRows)
        stage.gradients[row * kPitch + word] = gradient_at(low, cell) | gradient_at(high, cell)
                                                                            << 16;
    }
  }
}

/// What a lane adds up for its channel.
struct FirstSums {
  float weight[kTaps] = {}, bias = 0;
};

/// Half a tile of dz, from the warps that have it to all.
__device__ inline void add_first(const FusedBlockShape& s, const FusedBlockBackward& t, int half,
                                 int first, int warp, int lane, const Sums& sum, FirstStage& stage,
                                 FirstSums& sums) {
  constexpr int kOwners = kWarps / 2, kShare = kHalf / kWarps;
  __syncthreads();
  if (warp / kOwners == half)
#pragma unroll
    for (int m = 0; m < kOctets / 2; ++m)
#pragma unroll
      for (int column = 0; column < kColumns; ++column)
#pragma unroll
        for (int j = 0; j < 4; ++j)
          stage.dz[warp % kOwners * kHeld + m * 16 + j / 2 * 8 + lane / 4]
                  [column * 8 + 2 * (lane % 4) + j % 2] = sum[m][column][j];
  __syncthreads();
  const FirstLayer layer(s, t, lane);
  for (int q = 0; q < kShare / 4; ++q) {
    const int row = warp * kShare + 4 * q;
    float x[16];
    load_four(stage.x + (half * kHalf + row) / 4, x);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (!(layer.z(x + i) > 0) || first + half * kHalf + row + i >= s.w) continue;
      const float dz = stage.dz[row + i][lane];
      sums.bias += dz;
#pragma unroll
      for (int k = 0; k < kTaps; ++k) sums.weight[k] += dz * x[i + k];
    }
  }
}

template <int P>
__global__ void __launch_bounds__(kThreads, 3)
    first_layer_gradient(FusedBlockShape s, FusedBlockBackward t, SampleTiles tiles,
                         FusedParts parts, FusedSums places, const Word4* weights) {
  FirstStage& stage = first_stage();
  const int thread = static_cast<int>(threadIdx.x), warp = thread / kWarp, lane = thread % kWarp;
  FirstSums sums;
  const int64_t part = blockIdx.x;
  for (int64_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
    const int n = static_cast<int>(i) / tiles.per_example;
    const int first = (static_cast<int>(i) - n * tiles.per_example) * kTile;
    load_wave(s, t.x, n, first - kReach, kTile + 16, thread, kThreads, stage.x[0].v);
    load_winners(s, t, n, first / P - 1, kTile / P + 2, stage.winners);
    Sums sum = {};
    for (int chunk = 0; chunk < chunks_of<Bf16Pair>(s.c_out); ++chunk) {
      __syncthreads();
      fetch_weights(weights + chunk * (kChunkWords / 4), stage.weight2);
      spread_winners<P>(chunk, stage);
      wait_for_copies();
      __syncthreads();
      multiply<Bf16Pair>(stage.gradients, stage.weight2, warp, lane, sum);
    }
    for (int half = 0; half < 2; ++half) add_first(s, t, half, first, warp, lane, sum, stage, sums);
    __syncthreads();
  }
#pragma unroll
  for (int k = 0; k <= kTaps; ++k)
    stage.sums[k][warp][lane] = k < kTaps ? sums.weight[k] : sums.bias;
  __syncthreads();
  float* to = t.scratch + part * places.length;
  if (lane >= s.c_mid) return;
  for (int k = warp; k <= kTaps; k += kWarps)
    to[k < kTaps ? places.bias2 + lane * kTaps + k : places.weight1 + lane] =
        over_warps(stage.sums[k], lane);
}

FusedParts parts_of(const FusedBlockShape& s) {
  return {fused_tiles(s, static_cast<int>(kTile / s.pool)), kMostParts};
}
int64_t weights_length(const FusedBlockShape& s) {
  return chunks_of<Bf16Pair>(s.c_out) * kChunkWords;
}

}  // namespace

int64_t fused_block_backward_mma_scratch(const FusedBlockShape& s) {
  return weights_length(s) + parts_of(s).count * FusedSums(s).length;
}

void fused_block_backward_mma(const FusedBlockShape& s, const FusedBlockBackward& tensors,
                              Stream stream) {
  FusedBlockBackward t = tensors;
  t.scratch += weights_length(s);  // weight2 in words, then the parts
  const FusedSums places(s);
  const FusedParts parts = parts_of(s);
  const SampleTiles tiles(s);
  FusedParts of_samples = parts;  // as many parts, of other tiles
  of_samples.tiles = s.n * tiles.per_example;
  const Grid grid{blocks_x(parts.count), kThreads};
  launch("fused_block_backward: dweight2",
         s.pool == 16 ? weight2_gradient<16> : weight2_gradient<8>, grid, stream, s, t, parts,
         places);
  launch_for_each("fused_block_backward: weights", weights_length(s), stream,
                  PackWeights<Bf16Pair>{s, /*backward=*/true, t.weight2,
                                        reinterpret_cast<uint32_t*>(tensors.scratch)});
  launch("fused_block_backward: dweight1",
         s.pool == 16 ? first_layer_gradient<16> : first_layer_gradient<8>, grid, stream, s, t,
         tiles, of_samples, places, reinterpret_cast<const Word4*>(tensors.scratch));
  add_fused_parts(t, places, parts.count, stream);
}

}  // namespace earshot::cuda
