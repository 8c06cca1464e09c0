// Reductions over the rows of x [rows, c]: rows are cut into chunks by their count alone, so that
// the bits depend on neither the device nor the schedule. A block takes 32 channels of a chunk,
// its 8 lines every eighth row each; lines and then chunks are merged in order.
#pragma once

#include "kernels/elementwise.cuh"

namespace earshot::cuda {

constexpr int kLines = 8;                              // of a block
constexpr int64_t kLeastRows = 128, kMaxChunks = 512;  // of a chunk; of x

struct RowChunks {
  int64_t rows, per_chunk, count;
  explicit RowChunks(int64_t all)
      : rows(all),
        per_chunk(ceil_div(all, kMaxChunks) < kLeastRows ? kLeastRows : ceil_div(all, kMaxChunks)),
        count(ceil_div(all, per_chunk)) {}
  __host__ __device__ int64_t begin(int64_t i) const { return i * per_chunk; }
  __host__ __device__ int64_t end(int64_t i) const {
    return (i + 1) * per_chunk < rows ? (i + 1) * per_chunk : rows;
  }
};

/// A block of 32 channels and `kLines` lines for each chunk / for all chunks together.
inline Grid grid_of_chunks(const RowChunks& chunks, int64_t c) {
  return {{blocks_x(ceil_div(c, kWarp)), blocks_y(chunks.count)}, {kWarp, kLines}};
}
inline Grid grid_of_channels(int64_t c) { return {blocks_x(ceil_div(c, kWarp)), {kWarp, kLines}}; }

__device__ inline int64_t channel() { return int64_t{blockIdx.x} * kWarp + threadIdx.x; }

/// Channel of cell i where `c` cells make a row.
__device__ inline int64_t column_of(int64_t i, int64_t c) {
  return (i >> 32) == 0 ? static_cast<uint32_t>(i) % static_cast<uint32_t>(c) : i % c;
}

}  // namespace earshot::cuda
