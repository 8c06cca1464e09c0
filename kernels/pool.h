// Max-pooling of channels-last tensors: stride = size, no padding, floor (paper Tables 1 and 2).
// The input is a ReLU's output, so backward passes a gradient only where the maximum is positive:
// pool and ReLU are undone in one pass.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace earshot {

struct PoolShape {
  int64_t n, h, w, c;      // of the input
  int64_t pool_h, pool_w;  // at most 256 cells
  EARSHOT_HOST_DEVICE int64_t out_h() const { return h / pool_h; }
  EARSHOT_HOST_DEVICE int64_t out_w() const { return w / pool_w; }
};

/// x [n, h, w, c] -> y, argmax [n, h / pool_h, w / pool_w, c]. argmax is the cell within the
/// window, row-major, the first of equals; it may be null.
void max_pool_forward(const PoolShape& s, const float* x, float* y, uint8_t* argmax);

/// dx [n, h, w, c] = dy at the winning cell where y > 0, else 0; every cell of dx is written.
void max_pool_relu_backward(const PoolShape& s, const float* y, const uint8_t* argmax,
                            const float* dy, float* dx);

// On a CUDA device: pointers are the device's. T: float or Bf16.
namespace cuda {
template <typename T>
void max_pool_forward(const PoolShape& s, const T* x, T* y, uint8_t* argmax, Stream stream);
template <typename T>
void max_pool_relu_backward(const PoolShape& s, const T* y, const uint8_t* argmax, const T* dy,
                            T* dx, Stream stream);
}  // namespace cuda

}  // namespace earshot
