// Reductions over the lanes of a warp; all lanes get the same bits.
#pragma once

#include "kernels/launch.cuh"

namespace earshot::cuda {

__device__ inline float warp_sum(float x) {
#pragma unroll
  for (unsigned bits = kWarp / 2; bits > 0; bits /= 2) x += __shfl_xor_sync(kAllLanes, x, bits);
  return x;
}

__device__ inline float warp_max(float x) {
#pragma unroll
  for (unsigned bits = kWarp / 2; bits > 0; bits /= 2)
    x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, bits));
  return x;
}

}  // namespace earshot::cuda
