#include "kernels/copy_async.cuh"
#include "kernels/launch.cuh"
#include "tests/emulator/planted.h"

namespace planted {
namespace {

using earshot::cuda::kAllLanes;
constexpr unsigned kThreads = 64;

__device__ inline float warp_sum(Fault fault, float x) {
  if (fault == Fault::kMissingLane && threadIdx.x == 5) return x;
  for (unsigned bits = 16; bits > 0; bits /= 2) x += __shfl_xor_sync(kAllLanes, x, bits);
  return x;
}

__device__ inline void neighbours(Fault fault) {
  static __shared__ int in_warp[kThreads];
  in_warp[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (fault != Fault::kMissingWarpBarrier) __syncwarp();
  if (in_warp[threadIdx.x ^ 1] != static_cast<int>(threadIdx.x ^ 1)) __syncthreads();
}

__device__ inline float copied(Fault fault, const float* x) {
  static __shared__ earshot::cuda::Pack<float, 4> copy;
  if (threadIdx.x == 0) {
    earshot::cuda::copy_async_16(&copy, x);
    if (fault != Fault::kUnwaitedCopy) earshot::cuda::wait_for_copies();
  }
  __syncthreads();
  return copy.v[0];
}

__device__ inline void barriers(Fault fault) {
  if (fault == Fault::kDivergentBarrier && threadIdx.x < kThreads / 2) {
    __syncthreads();
  } else if (fault != Fault::kMissingBarrier) {
    __syncthreads();
  }
}

__device__ inline void stores(Fault fault, const float* x, float* y, int64_t i) {
  if (i != 70) return;
  if (fault == Fault::kStoreBehindTheEnd) y[256] = 0;
  if (fault == Fault::kStoreBeforeTheStart) y[-1] = 0;
  if (fault == Fault::kFarStore) y[1 << 24] = 0;
  if (fault == Fault::kStoreToInput) const_cast<float*>(x)[i] = 0;
  if (fault == Fault::kTwoBlocksStore) y[0] = 0;
  if (fault == Fault::kUndefinedOutput) y[i] += 1;
  if (fault == Fault::kMisaligned) *reinterpret_cast<earshot::cuda::Pack<float, 4>*>(y + i) = {};
}

__global__ void sums(Fault fault, const float* x, float* y, int* maximum) {
  static __shared__ float of_warp[kThreads / 32 + 1];
  const int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (fault == Fault::kBarrierAfterReturn && threadIdx.x == 40) return;
  neighbours(fault);
  const float sum = warp_sum(fault, x[i]) - copied(fault, x);  // x[0] is 0
  if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = sum;
  barriers(fault);
  float total = 0;
  for (unsigned w = 0; w < kThreads / 32 + (fault == Fault::kUndefinedShared ? 1 : 0); ++w)
    total += of_warp[w];
  if (fault == Fault::kEarlyOverwrite) of_warp[threadIdx.x / 32] = total;
  stores(fault, x, y, i);
  if (!(fault == Fault::kCellNeverStored && i == 255)) y[i] = total;
  atomicMax(maximum, static_cast<int>(i));
}

}  // namespace

void block_sums(Fault fault, const float* x, float* y, int* maximum) {
  const unsigned threads = fault == Fault::kTooManyThreads ? 2048 : kThreads;
  earshot::cuda::launch("sums", sums, {4, threads}, nullptr, fault, x, y, maximum);
}

}  // namespace planted
