// Sums over whole tensors, for CUDA devices (the CPU backend has them from elsewhere).
// Sums run over fixed chunks merged in order: the bits are the same on every device.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace earshot::cuda {

/// out [c] = sum over rows of x [rows, c], T: float or Bf16. scratch: column_sums_scratch floats.
template <typename T>
void column_sums(int64_t rows, int64_t c, const T* x, float* scratch, float* out, Stream stream);
int64_t column_sums_scratch(int64_t rows, int64_t c);

}  // namespace earshot::cuda
