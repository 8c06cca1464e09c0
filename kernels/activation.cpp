#include "kernels/activation.h"

namespace earshot {

void relu_backward(int64_t count, const float* y, float* dy) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) ReluBackward<float>{y, dy}(i);
}

void dropout(const DropoutMask& mask, int64_t count, const float* x, float* y) {
  const DropoutCell cell{mask, 1.0f / (1.0f - mask.rate), x, y};
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) cell(i);
}

}  // namespace earshot
