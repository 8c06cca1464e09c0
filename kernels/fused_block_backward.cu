// Backward in float32, all of it on tiles of 128 samples that hold z in shared memory; a lane is a
// channel of z. A block walks the tiles of its part with the sums of all gradients in registers:
//   1. z again: a warp four samples at a time, its lane's 11 weights in registers.
//   2. dweight2: a warp owns 4 channels of y; the winner of a window reads 11 rows of z.
//   3. dz: a warp owns a window; its winners, cell by cell so that every index is known to the
//      compiler, spread 11 rows of weight2 (which stay in the first-level cache) over the
//      window + 10 samples in registers; the ReLU's mask; then dweight1 by the samples of x.
// Parts leave their sums in scratch, and a second kernel adds them in order. Steps 2 and 3 read 128
// contiguous bytes for every 32 multiply-adds: that is what bounds the kernel.
#include "kernels/fused_block.cuh"
#include "kernels/warp.cuh"

namespace earshot::cuda {
namespace {

constexpr int kWarps = 8, kThreads = kWarps * kWarp;
constexpr int kTile = 128;                     // samples
constexpr int kRows = kTile + 2 * kReach;      // of z
constexpr int kWave = kRows + 2 * kReach + 8;  // samples of x; the last 8 are for whole packs
constexpr int kOwned = kChannels / kWarps;     // channels of y of a warp
constexpr int64_t kMostParts = 528;            // two waves of the 264 blocks that an H100 holds
constexpr int kLines = 8;                      // of a block that adds parts
using Four = Pack<float, 4>;
static_assert(kChannels == kWarp);

/// Of each window and channel of y: the gradient (0: none) and the cell that takes it.
struct Winners {
  float gradient[kTile / 8][kChannels];
  int cell[kTile / 8][kChannels];
};
struct Stage {
  float z[kRows][kChannels];
  Four x[kWave / 4];
  Winners winners;
};

/// Outside the kernel's template: GCC places no variable of a template in the emulated section.
__device__ inline Stage& block_stage() {
  static __shared__ Stage stage;
  return stage;
}

__device__ inline void load_winners(const FusedBlockShape& s, const FusedBlockBackward& t,
                                    const FusedTile& tile, int windows, Winners& to) {
  const int64_t base = (tile.n * s.out_w() + tile.first) * s.c_out;
  for (int i = threadIdx.y * kWarp + threadIdx.x; i < windows * kChannels; i += kThreads) {
    const int window = i / kChannels, c = i % kChannels;
    float g = 0;
    int cell = 0;
    if (c < s.c_out && tile.first + window < s.out_w()) {
      const int64_t from = base + window * s.c_out + c;
      if (t.y[from] > 0) {
        g = t.dy[from];
        cell = t.argmax[from];
      }
    }
    to.gradient[window][c] = g;
    to.cell[window][c] = cell;
  }
}

template <int N>
__device__ inline void load(const Four* from, float (&to)[N]) {
  static_assert(N % 4 == 0);
#pragma unroll
  for (int i = 0; i < N / 4; ++i) {
    const Four four = from[i];
#pragma unroll
    for (int j = 0; j < 4; ++j) to[4 * i + j] = four.v[j];
  }
}

/// What a lane holds of the first convolution while it makes z.
struct FirstLayer {
  float weight[kTaps] = {}, bias = 0;
  __device__ FirstLayer(const FusedBlockShape& s, const FusedBlockBackward& t) {
    const int m = threadIdx.x;
    if (m >= s.c_mid) return;  // z of a channel that is not there is 0
    bias = t.bias1[m];
#pragma unroll
    for (int k = 0; k < kTaps; ++k) weight[k] = t.weight1[m * kTaps + k];
  }
};

/// Rows of z; the first is of sample `first`.
__device__ inline void make_z(const FusedBlockShape& s, const FusedBlockBackward& t, int first,
                              Stage& stage) {
  const FirstLayer layer(s, t);
  constexpr int kFours = (kRows + 3) / 4;
  for (int q = threadIdx.y; q < kFours; q += kWarps) {
    float x[16];
    load(stage.x + q, x);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float sum = layer.bias;
#pragma unroll
      for (int k = 0; k < kTaps; ++k) sum += layer.weight[k] * x[j + k];
      const int at = first + 4 * q + j;
      if (4 * q + j < kRows)
        stage.z[4 * q + j][threadIdx.x] = sum > 0 && at >= 0 && at < s.w ? sum : 0.0f;
    }
  }
}

/// A lane's sums over all tiles of its part.
struct Sums {
  float weight2[kOwned][kTaps] = {}, bias2[kOwned] = {};
  float weight1[kTaps] = {}, bias1 = 0;
};

template <int P>
__device__ inline void add_weight2(const Stage& stage, Sums& sums) {
  const int owned = threadIdx.y * kOwned;
  for (int window = 0; window < kTile / P; ++window) {
    const auto g = *reinterpret_cast<const Four*>(&stage.winners.gradient[window][owned]);
    const auto cell = *reinterpret_cast<const Pack<int, 4>*>(&stage.winners.cell[window][owned]);
#pragma unroll
    for (int c = 0; c < kOwned; ++c) {
      if (g.v[c] == 0) continue;
      const float* row = &stage.z[window * P + cell.v[c]][threadIdx.x];
#pragma unroll
      for (int k = 0; k < kTaps; ++k) sums.weight2[c][k] += g.v[c] * row[k * kChannels];
      sums.bias2[c] += g.v[c];
    }
  }
}

/// dz[i] = gradient of z before its ReLU, row i of the window's P + 10, from that window alone.
template <int P, bool kFull>
__device__ inline void spread_winners(const FusedBlockShape& s, const FusedBlockBackward& t,
                                      const Stage& stage, int window, float (&dz)[P + 2 * kReach]) {
  const int lane = threadIdx.x;
  const int c_mid = kFull ? kChannels : static_cast<int>(s.c_mid);
  const float* weight = t.weight2 + (kFull || lane < c_mid ? lane : 0);  // else masked below
  const float g = stage.winners.gradient[window][lane];
  const int cell = stage.winners.cell[window][lane];
#pragma unroll
  for (int at = 0; at < P; ++at) {
    unsigned left = __ballot_sync(kAllLanes, g != 0 && cell == at);
    for (; left != 0; left &= left - 1) {
      const int c = __ffs(static_cast<int>(left)) - 1;
      const float gradient = __shfl_sync(kAllLanes, g, static_cast<unsigned>(c));
      const float* row = weight + c * kTaps * c_mid;
#pragma unroll
      for (int k = 0; k < kTaps; ++k, row += c_mid) dz[at + k] += gradient * *row;
    }
  }
#pragma unroll
  for (int i = 0; i < P + 2 * kReach; ++i)
    if (!(stage.z[window * P + i][lane] > 0)) dz[i] = 0;
}

template <int P, bool kFull>
__device__ inline void add_weight1(const FusedBlockShape& s, const FusedBlockBackward& t,
                                   const Stage& stage, Sums& sums) {
  constexpr int kSpan = P + 2 * kReach;
#pragma unroll 1  // two windows at once do not fit the registers
  for (int window = threadIdx.y; window < kTile / P; window += kWarps) {
    float dz[kSpan] = {};
    spread_winners<P, kFull>(s, t, stage, window, dz);
    float x[kSpan + 2 * kReach];
    load(stage.x + window * (P / 4), x);
#pragma unroll
    for (int i = 0; i < kSpan; ++i) {
      sums.bias1 += dz[i];
#pragma unroll
      for (int k = 0; k < kTaps; ++k) sums.weight1[k] += dz[i] * x[i + k];
    }
  }
}

/// Adds the warps' sums of the first layer in order and stores the part. No warp needs z any more.
__device__ inline void store_part(const FusedBlockShape& s, const FusedSums& places,
                                  const Sums& sums, Stage& stage, float* part) {
  const int lane = threadIdx.x, warp = threadIdx.y, c_mid = static_cast<int>(s.c_mid);
  for (int c = 0; c < kOwned; ++c) {
    const int channel = warp * kOwned + c;
    if (channel >= s.c_out) break;
    if (lane == 0) part[places.weight2 + channel] = sums.bias2[c];
    if (lane < c_mid)
#pragma unroll
      for (int k = 0; k < kTaps; ++k)
        part[(channel * kTaps + k) * c_mid + lane] = sums.weight2[c][k];
  }
#pragma unroll
  for (int k = 0; k <= kTaps; ++k)
    stage.z[warp * (kTaps + 1) + k][lane] = k < kTaps ? sums.weight1[k] : sums.bias1;
  __syncthreads();
  if (lane >= c_mid) return;
  for (int k = warp; k <= kTaps; k += kWarps) {
    float sum = 0;
    for (int w = 0; w < kWarps; ++w) sum += stage.z[w * (kTaps + 1) + k][lane];
    part[k < kTaps ? places.bias2 + lane * kTaps + k : places.weight1 + lane] = sum;
  }
}

FusedParts parts_of(const FusedBlockShape& s) {
  return {fused_tiles(s, static_cast<int>(kTile / s.pool)), kMostParts};
}

template <int P, bool kFull>
__global__ void __launch_bounds__(kThreads, 2)
    backward(FusedBlockShape s, FusedBlockBackward t, FusedParts parts, FusedSums places) {
  Stage& stage = block_stage();
  static_assert(kWarps * (kTaps + 1) <= kRows);
  const int64_t part = blockIdx.x;
  Sums sums;
  for (int64_t i = parts.begin(part); i < parts.begin(part + 1); ++i) {
    const FusedTile tile(s, i, kTile / P);
    const int first = tile.first * P;
    load_wave(s, t.x, tile.n, first - 2 * kReach, kWave, threadIdx.y * kWarp + threadIdx.x,
              kThreads, stage.x[0].v);
    load_winners(s, t, tile, kTile / P, stage.winners);
    __syncthreads();
    make_z(s, t, first - kReach, stage);
    __syncthreads();
    add_weight2<P>(stage, sums);
    add_weight1<P, kFull>(s, t, stage, sums);
    __syncthreads();
  }
  store_part(s, places, sums, stage, t.scratch + part * places.length);
}

/// A lane adds every eighth part of one sum; the eight are then added in order.
__global__ void __launch_bounds__(kWarp* kLines)
    add_parts(FusedBlockBackward t, FusedSums places, int64_t parts) {
  static __shared__ float of_line[kLines][kWarp];
  const int64_t i = int64_t{blockIdx.x} * kWarp + threadIdx.x;
  float sum = 0;
  if (i < places.length)
    for (int64_t p = threadIdx.y; p < parts; p += kLines) sum += t.scratch[p * places.length + i];
  of_line[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= places.length) return;
  for (int line = 1; line < kLines; ++line) sum += of_line[line][threadIdx.x];
  if (i < places.weight2)
    t.dweight2[i] = sum;
  else if (i < places.bias2)
    t.dbias2[i - places.weight2] = sum;
  else if (i < places.weight1)
    t.dweight1[i - places.bias2] = sum;
  else
    t.dbias1[i - places.weight1] = sum;
}

}  // namespace

void add_fused_parts(const FusedBlockBackward& t, const FusedSums& places, int64_t parts,
                     Stream stream) {
  launch("fused_block_backward: parts", add_parts,
         {blocks_x(ceil_div(places.length, kWarp)), {kWarp, kLines}}, stream, t, places, parts);
}

int64_t fused_block_backward_scratch(const FusedBlockShape& s, FusedFactors factors) {
  return factors == FusedFactors::kBf16 ? fused_block_backward_mma_scratch(s)
                                        : parts_of(s).count * FusedSums(s).length;
}

void fused_block_backward(const FusedBlockShape& s, FusedFactors factors,
                          const FusedBlockBackward& t, Stream stream) {
  check_fused(s);
  if (factors == FusedFactors::kBf16) return fused_block_backward_mma(s, t, stream);
  const FusedParts parts = parts_of(s);
  const FusedSums places(s);
  const bool full = s.c_mid == kChannels;
  const auto kernel = s.pool == 16 ? (full ? backward<16, true> : backward<16, false>)
                                   : (full ? backward<8, true> : backward<8, false>);
  launch("fused_block_backward", kernel, {blocks_x(parts.count), {kWarp, kWarps}}, stream, s, t,
         parts, places);
  add_fused_parts(t, places, parts.count, stream);
}

}  // namespace earshot::cuda
