// Element-wise layers.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/philox.h"
#include "kernels/stream.h"

namespace earshot {

/// One cell.
template <typename T>
struct ReluBackward {
  const T* y;
  T* dy;
  EARSHOT_HOST_DEVICE void operator()(int64_t i) const { dy[i] = to_float(y[i]) > 0 ? dy[i] : T{}; }
};

/// dy = y > 0 ? dy : 0, in place. [count]
void relu_backward(int64_t count, const float* y, float* dy);

/// One cell of inverted dropout; cells are counted through the whole tensor.
struct DropoutMask {
  float rate;
  uint64_t seed;
  const uint32_t* step;  // where the pointers of the call lie
  uint32_t layer;
  EARSHOT_HOST_DEVICE bool keeps(int64_t cell) const {
    const PhiloxBlock block =
        philox4x32({{static_cast<uint32_t>(cell >> 2), *step, layer,
                     static_cast<uint32_t>(Purpose::kDropout)}},
                   static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    return static_cast<float>(block.v[cell & 3] >> 8) * 0x1p-24f >= rate;
  }
};

/// One cell.
struct DropoutCell {
  DropoutMask mask;
  float scale;  // 1 / (1 - rate)
  const float* x;
  float* y;
  EARSHOT_HOST_DEVICE void operator()(int64_t i) const {
    y[i] = mask.keeps(i) ? x[i] * scale : 0.0f;
  }
};

/// y = x / (1 - rate) where the mask keeps the cell, else 0. y may be x. [count]
void dropout(const DropoutMask& mask, int64_t count, const float* x, float* y);

// On a CUDA device: pointers are the device's.
namespace cuda {
/// T: float or Bf16.
template <typename T>
void relu_backward(int64_t count, const T* y, T* dy, Stream stream);
void dropout(const DropoutMask& mask, int64_t count, const float* x, float* y, Stream stream);
/// y = max(y + bias, 0), in place. bias [c], y [rows, c]
void bias_relu(int64_t rows, int64_t c, const float* bias, float* y, Stream stream);
}  // namespace cuda

}  // namespace earshot
