// What the kernels of the fused block share: tiles of the wave with zeros around it.
#pragma once

#include "kernels/fused_block.h"
#include "kernels/launch.cuh"

namespace earshot::cuda {

constexpr int kTaps = kFusedTaps, kReach = kTaps / 2, kChannels = kFusedChannels;

/// Where a tile of windows lies: tiles never cross an example.
struct FusedTile {
  int n, first;  // example; first window
  __device__ FusedTile(const FusedBlockShape& s, int64_t index, int windows) {
    const auto per_example = static_cast<uint32_t>(ceil_div(s.out_w(), windows));
    const uint32_t i = static_cast<uint32_t>(index), example = i / per_example;
    n = static_cast<int>(example);
    first = static_cast<int>(i - example * per_example) * windows;
  }
};

inline int64_t fused_tiles(const FusedBlockShape& s, int windows) {
  return s.n * ceil_div(s.out_w(), windows);
}

/// to[i] = x[n, first + i], zero outside the wave.
__device__ inline void load_wave(const FusedBlockShape& s, const float* x, int n, int first,
                                 int count, int thread, int threads, float* to) {
  for (int i = thread; i < count; i += threads) {
    const int at = first + i;
    to[i] = at >= 0 && at < s.w ? x[n * s.w + at] : 0.0f;
  }
}

/// Forward on tensor cores, factors tf32 or bf16.
void fused_block_forward_mma(const FusedBlockShape& s, FusedFactors factors,
                             const FusedBlockForward& t, Stream stream);

/// Throws LaunchError where the kernels have not this shape.
void check_fused(const FusedBlockShape& s);

}  // namespace earshot::cuda
