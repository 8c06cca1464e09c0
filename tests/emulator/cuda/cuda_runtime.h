// Stands in for CUDA's header of this name: the part of CUDA C++ that the kernels use, as plain
// C++ on the block emulator (tests/emulator/emulator.h).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <tuple>

#define __CUDACC__ 1  // selects the device form of EARSHOT_HOST_DEVICE
#define __global__
#define __host__
// Inlined, so that every access comes from an instrumented file.
#define __device__ __attribute__((always_inline))
#define __launch_bounds__(...)
// Static shared variables are spelt `static __shared__`, the dynamic ones `extern __shared__`.
#define __shared__ __attribute__((section("emulated_shared")))

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

namespace emulator {

using Where = std::source_location;

struct Launch {
  dim3 grid, block;
  void (*run)(const void* arguments);  // one thread
  const void* arguments;
  int64_t argument_bytes;
};
int run(const Launch& launch);  // cudaError_t
void barrier(const Where& where);
/// The bits that `source` of this warp hands in at the same call; lanes of `mask` take part.
uint64_t exchange(unsigned mask, uint64_t bits, unsigned source, const Where& where);
unsigned vote(unsigned mask, bool mine, const Where& where);
/// What each of the 32 lanes of this warp hands in at the same call: `bytes` (at most 32) at
/// `mine`.
void gather(const void* mine, size_t bytes, void* all, const Where& where);
/// An asynchronous copy: made when this thread calls finish_copies().
void copy_later(void* to, const void* from, size_t bytes);
void finish_copies();
unsigned lane();

template <typename T>
T shuffle(unsigned mask, T value, unsigned source, const Where& where) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(mask, bits, source, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace emulator

inline void __syncthreads(const emulator::Where& where = emulator::Where::current()) {
  emulator::barrier(where);
}
inline void __syncwarp(unsigned mask = 0xffffffffu,
                       const emulator::Where& where = emulator::Where::current()) {
  emulator::vote(mask, false, where);
}
inline unsigned __ballot_sync(unsigned mask, bool mine,
                              const emulator::Where& where = emulator::Where::current()) {
  return emulator::vote(mask, mine, where);
}
inline bool __any_sync(unsigned mask, bool mine,
                       const emulator::Where& where = emulator::Where::current()) {
  return emulator::vote(mask, mine, where) != 0;
}
template <typename T>
T __shfl_sync(unsigned mask, T value, unsigned source,
              const emulator::Where& where = emulator::Where::current()) {
  return emulator::shuffle(mask, value, source, where);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, unsigned bits,
                  const emulator::Where& where = emulator::Where::current()) {
  return emulator::shuffle(mask, value, emulator::lane() ^ bits, where);
}
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }

/// Integers only: a sum of floats would depend on the order.
int atomicOr(int* address, int value);
int atomicMax(int* address, int value);

using cudaError_t = int;
using cudaStream_t = struct CUstream_st*;
constexpr cudaError_t cudaSuccess = 0;
inline const char* cudaGetErrorString(cudaError_t) { return "invalid configuration argument"; }

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments... args) {
  using Bound = std::tuple<void (*)(Parameters...), std::tuple<Parameters...>>;
  const Bound bound(kernel, std::tuple<Parameters...>(args...));
  const auto run = [](const void* arguments) {
    const Bound& b = *static_cast<const Bound*>(arguments);
    std::apply(std::get<0>(b), std::get<1>(b));
  };
  return emulator::run({config->gridDim, config->blockDim, run, &bound, sizeof bound});
}
