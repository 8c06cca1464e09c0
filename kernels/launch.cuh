// Checked launches and the few helpers that all device code shares. Plain C++ but for the
// qualifiers, so that the block emulator of the tests compiles it too: no <<< >>>.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "kernels/launch.h"
#include "kernels/stream.h"

namespace earshot::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

struct Grid {
  dim3 blocks, threads;
};

/// Enqueues kernel<<<grid>>>(args...); nothing where the grid is empty.
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Grid& grid, Stream stream,
            const Arguments&... args) {
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  cudaLaunchConfig_t config = {};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.stream = stream;
  const cudaError_t status = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(args)...);
  if (status == cudaSuccess) return;
  const auto text = [](const dim3& d) {
    return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z);
  };
  throw LaunchError(std::string("the CUDA kernel ") + name + " could not be launched on " +
                    text(grid.blocks) + " blocks of " + text(grid.threads) +
                    " threads: " + cudaGetErrorString(status));
}

__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// A count of blocks along x; along y and z at most 65,535 (the kernel strides over the rest).
inline unsigned blocks_x(int64_t count) { return static_cast<unsigned>(count); }
inline unsigned blocks_y(int64_t count) {
  return static_cast<unsigned>(count < 65535 ? count : 65535);
}

/// V consecutive values that move as one access; the address is a multiple of their size.
template <typename T, int V>
struct alignas(sizeof(T) * V) Pack {
  T v[V];
};

/// Whether all pointers allow accesses of four floats, and `length` is a multiple of four.
template <typename... T>
bool packs_of_four(int64_t length, const T*... pointers) {
  return length % 4 == 0 && ((reinterpret_cast<uintptr_t>(pointers) % (4 * sizeof(T)) == 0) && ...);
}

}  // namespace earshot::cuda
