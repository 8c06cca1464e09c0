// Runs of cells copied between tensors, pooled on the way: how what overlapping crops share is cut
// out and put together. A cell is all channels at one place of a channels-last tensor; cells are
// counted through the whole tensor.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace earshot {

/// to[to + i] = max over j < pool of from[from + i pool + j], channel by channel, for i < count.
struct CellRun {
  int32_t to, from, count;
};

/// No two runs write the same cell.
struct CellRuns {
  const CellRun* first;
  int64_t count;
  int64_t pool;  // 1: plain copies
};

/// from [cells, c], to [cells, c], apart from each other.
void copy_cells(const CellRuns& runs, int64_t c, const float* from, float* to);

// On a CUDA device: pointers are the device's, the runs too. T: float or Bf16.
namespace cuda {
template <typename T>
void copy_cells(const CellRuns& runs, int64_t c, const T* from, T* to, Stream stream);
}  // namespace cuda

}  // namespace earshot
