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

/// Where the parts of a gradient lie in scratch, one after the other: dweight2, dbias2, dweight1,
/// dbias1.
struct FusedSums {
  int64_t weight2, bias2, weight1, length;  // ends of the first three; of a part
  explicit FusedSums(const FusedBlockShape& s)
      : weight2(s.weight2_count()),
        bias2(weight2 + s.c_out),
        weight1(bias2 + s.weight1_count()),
        length(weight1 + s.c_mid) {}
};

/// How tiles are shared out to at most `most` blocks that hold sums of their own, by the shape
/// alone.
struct FusedParts {
  static constexpr int64_t kLeastTiles = 2;
  int64_t tiles, count;
  FusedParts(int64_t all, int64_t most)
      : tiles(all), count(ceil_div(all, kLeastTiles) < most ? ceil_div(all, kLeastTiles) : most) {}
  __device__ int64_t begin(int64_t part) const { return part * tiles / count; }
};

/// Adds up t.scratch [parts, places.length] into the gradients.
void add_fused_parts(const FusedBlockBackward& t, const FusedSums& places, int64_t parts,
                     Stream stream);

/// Forward on tensor cores, factors tf32 or bf16.
void fused_block_forward_mma(const FusedBlockShape& s, FusedFactors factors,
                             const FusedBlockForward& t, Stream stream);

/// Backward on bf16 tensor cores.
int64_t fused_block_backward_mma_scratch(const FusedBlockShape& s);
void fused_block_backward_mma(const FusedBlockShape& s, const FusedBlockBackward& t, Stream stream);

/// Throws LaunchError where the kernels have not this shape.
void check_fused(const FusedBlockShape& s);

}  // namespace earshot::cuda
