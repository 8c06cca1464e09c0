// Copies from global to shared memory that pass no register and that a thread need not wait for
// (sm_80 and up).
#pragma once

#include <cuda_runtime.h>

#ifdef __NVCC__

namespace earshot::cuda {

/// 16 bytes; both addresses are multiples of 16. Bypasses no cache.
__device__ inline void copy_async_16(void* shared, const void* global) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global) : "memory");
}

/// Until this thread's copies have arrived; others see them behind the next barrier.
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

}  // namespace earshot::cuda

#else
#include <emulated_copy.h>  // tests/emulator/cuda: late, but not later than the wait
#endif
