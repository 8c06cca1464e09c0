// One functor call for each of `count` cells.
#pragma once

#include "kernels/launch.cuh"

namespace earshot::cuda {

template <typename Cell>
__global__ void for_each_cell(int64_t count, Cell cell) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += stride) cell(i);
}

template <typename Cell>
void launch_for_each(const char* name, int64_t count, Stream stream, const Cell& cell) {
  constexpr int64_t kThreads = 256, kMaxBlocks = 4096;
  const int64_t blocks = ceil_div(count, kThreads);
  launch(name, for_each_cell<Cell>, {blocks_x(blocks < kMaxBlocks ? blocks : kMaxBlocks), kThreads},
         stream, count, cell);
}

}  // namespace earshot::cuda
