// What the two halves of the pooled convolution's backward share.
#pragma once

#include "kernels/elementwise.cuh"
#include "kernels/pooled_conv.h"

namespace earshot::cuda {

__host__ __device__ inline int64_t window_count(const PooledConvShape& s) {
  return s.n * (s.h / s.pool_h) * (s.w / s.pool_w);
}
/// Weights of one output channel.
__host__ __device__ inline int64_t run_length(const PooledConvShape& s) {
  return s.kernel_h * s.kernel_w * s.c_in;
}

/// Floats of scratch for the lists of winners.
int64_t winner_lists_length(const PooledConvShape& s);
void pooled_conv_input_gradient(const PooledConvShape& s, const PooledConvBackward& t,
                                float* scratch, Stream stream);

}  // namespace earshot::cuda
