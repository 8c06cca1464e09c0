// Forward in float32. A block computes 256 samples of all output channels: a warp 64 samples by 32
// channels, a thread 16 by 4 in registers. z is made and used in chunks of 8 channels, so that a
// block needs 22 KB of shared memory and several share a multiprocessor: while one makes z, another
// multiplies. Per chunk and channel a thread loads 26 cells of z once and slides them under the 11
// taps: 7 + 11 loads of 16 bytes for 704 multiply-adds. No two lanes of a load conflict: 8 lanes
// read one place of z, and together 128 contiguous bytes of weights.
#include "kernels/fused_block.cuh"

namespace earshot::cuda {
namespace {

constexpr int kThreads = 128, kTile = 256;    // samples of a block
constexpr int kHeld = 16, kHeldChannels = 4;  // outputs of a thread
constexpr int kLanesOfChannels = kChannels / kHeldChannels;
constexpr int kChunk = 8;   // channels of z at a time
constexpr int kPitch = 36;  // of a row of weights: staging hits every bank once
constexpr int kFours = (kTile + 2 * kReach + 3) / 4;  // of samples of z, with its halo
constexpr int kWave = 4 * kFours + 12;                // samples of x
using Four = Pack<float, 4>;

struct Stage {
  float weight2[kChunk * kTaps * kPitch];  // [channel of z, tap, channel of y]
  Four z[kChunk * kFours];                 // [channel of z, sample]
  float weight1[kChunk * 12];              // 11 taps and the bias
  Four x[kWave / 4];
};

/// Outside the kernel's template: GCC places no variable of a template in the emulated section.
__device__ inline Stage& block_stage() {
  static __shared__ Stage stage;
  return stage;
}

__device__ inline void stage_weights(const FusedBlockShape& s, const FusedBlockForward& t,
                                     int chunk, Stage& stage) {
  const int c_mid = static_cast<int>(s.c_mid), c_out = static_cast<int>(s.c_out);
  for (int i = threadIdx.x; i < kTaps * kChannels * kChunk; i += kThreads) {
    const int m = i % kChunk, c = i / kChunk % kChannels, tap = i / (kChunk * kChannels);
    const int channel = chunk * kChunk + m;
    stage.weight2[(m * kTaps + tap) * kPitch + c] =
        channel < c_mid && c < c_out ? t.weight2[(c * kTaps + tap) * c_mid + channel] : 0.0f;
  }
  for (int i = threadIdx.x; i < kChunk * 12; i += kThreads) {
    const int channel = chunk * kChunk + i / 12, tap = i % 12;
    float value = 0;
    if (channel < c_mid) value = tap < kTaps ? t.weight1[channel * kTaps + tap] : t.bias1[channel];
    stage.weight1[i] = value;
  }
}

/// z of the samples from `first` on.
__device__ inline void make_z(const FusedBlockShape& s, int first, Stage& stage) {
  for (int i = threadIdx.x; i < kChunk * kFours; i += kThreads) {
    const int m = i / kFours, q = i % kFours;
    Four x[4], w[3];
#pragma unroll
    for (int j = 0; j < 4; ++j) x[j] = stage.x[q + j];
#pragma unroll
    for (int j = 0; j < 3; ++j) w[j] = reinterpret_cast<const Four*>(stage.weight1)[m * 3 + j];
    Four z;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float sum = w[2].v[3];
#pragma unroll
      for (int k = 0; k < kTaps; ++k) sum += w[k / 4].v[k % 4] * x[(j + k) / 4].v[(j + k) % 4];
      const int at = first + 4 * q + j;
      z.v[j] = sum > 0 && at >= 0 && at < s.w ? sum : 0.0f;
    }
    stage.z[i] = z;
  }
}

/// Adds a chunk's products to sum [sample, channel].
__device__ inline void multiply(const Stage& stage, int samples, int channels,
                                float (&sum)[kHeld][kHeldChannels]) {
  constexpr int kLoads = (kHeld + kTaps - 1 + 3) / 4;
  for (int m = 0; m < kChunk; ++m) {
    float z[4 * kLoads];
#pragma unroll
    for (int j = 0; j < kLoads; ++j) {
      const Four four = stage.z[m * kFours + samples / 4 + j];
#pragma unroll
      for (int k = 0; k < 4; ++k) z[4 * j + k] = four.v[k];
    }
#pragma unroll
    for (int tap = 0; tap < kTaps; ++tap) {
      const Four w =
          *reinterpret_cast<const Four*>(stage.weight2 + (m * kTaps + tap) * kPitch + channels);
#pragma unroll
      for (int i = 0; i < kHeld; ++i)
#pragma unroll
        for (int c = 0; c < kHeldChannels; ++c) sum[i][c] += z[i + tap] * w.v[c];
    }
  }
}

/// Bias, ReLU and pool of a thread's outputs; `wide`: its channels move as one.
template <int P>
__device__ inline void store_windows(const FusedBlockShape& s, const FusedBlockForward& t, int n,
                                     int window, int channels, bool wide,
                                     const float (&sum)[kHeld][kHeldChannels]) {
  const int count =
      s.c_out - channels < kHeldChannels ? static_cast<int>(s.c_out) - channels : kHeldChannels;
#pragma unroll
  for (int v = 0; v < kHeld / P; ++v) {
    if (window + v >= s.out_w()) return;
    Four best;
    Pack<uint8_t, 4> cell;
#pragma unroll
    for (int c = 0; c < kHeldChannels; ++c) {
      const float bias = c < count ? t.bias2[channels + c] : 0.0f;
      float top = fmaxf(sum[v * P][c] + bias, 0.0f);
      int winner = 0;
#pragma unroll
      for (int i = 1; i < P; ++i) {
        const float now = sum[v * P + i][c] + bias;
        if (now > top) {
          top = now;
          winner = i;
        }
      }
      best.v[c] = top;
      cell.v[c] = static_cast<uint8_t>(winner);
    }
    const int64_t to = (n * s.out_w() + window + v) * s.c_out + channels;
    if (wide) {
      *reinterpret_cast<Four*>(t.y + to) = best;
      if (t.argmax) *reinterpret_cast<Pack<uint8_t, 4>*>(t.argmax + to) = cell;
    } else {
#pragma unroll
      for (int c = 0; c < kHeldChannels; ++c)
        if (c < count) {
          t.y[to + c] = best.v[c];
          if (t.argmax) t.argmax[to + c] = cell.v[c];
        }
    }
  }
}

template <int P>
__global__ void __launch_bounds__(kThreads, 4)
    forward(FusedBlockShape s, FusedBlockForward t, bool wide) {
  Stage& stage = block_stage();
  const FusedTile tile(s, blockIdx.x, kTile / P);
  const int thread = static_cast<int>(threadIdx.x);
  const int samples = thread / kLanesOfChannels * kHeld;
  const int channels = thread % kLanesOfChannels * kHeldChannels;
  const int first = tile.first * P;
  load_wave(s, t.x, tile.n, first - 2 * kReach, kWave, thread, kThreads, stage.x[0].v);
  float sum[kHeld][kHeldChannels] = {};
  for (int chunk = 0; chunk * kChunk < s.c_mid; ++chunk) {
    stage_weights(s, t, chunk, stage);
    __syncthreads();
    make_z(s, first - kReach, stage);
    __syncthreads();
    multiply(stage, samples, channels, sum);
    __syncthreads();
  }
  if (channels < s.c_out)
    store_windows<P>(s, t, tile.n, tile.first + samples / P, channels, wide, sum);
}

}  // namespace

void check_fused(const FusedBlockShape& s) {
  if (!s.fits())
    throw LaunchError("the fused block has no kernel for " + std::to_string(s.c_mid) + " and " +
                      std::to_string(s.c_out) + " channels, a pool of " + std::to_string(s.pool) +
                      " and " + std::to_string(s.w) + " samples");
}

void fused_block_forward(const FusedBlockShape& s, FusedFactors factors, const FusedBlockForward& t,
                         Stream stream) {
  check_fused(s);
  if (factors != FusedFactors::kF32) return fused_block_forward_mma(s, factors, t, stream);
  const bool wide = packs_of_four(s.c_out, t.y, t.argmax);
  const Grid grid{blocks_x(fused_tiles(s, static_cast<int>(kTile / s.pool))), kThreads};
  launch("fused_block_forward", s.pool == 16 ? forward<16> : forward<8>, grid, stream, s, t, wide);
}

}  // namespace earshot::cuda
