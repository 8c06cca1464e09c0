#include "kernels/activation.h"

namespace earshot {

void relu_backward(int64_t count, const float* y, float* dy) {
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) dy[i] = y[i] > 0 ? dy[i] : 0.0f;
}

void dropout(const DropoutMask& mask, int64_t count, const float* x, float* y) {
  const float scale = 1.0f / (1.0f - mask.rate);
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < count; ++i) y[i] = mask.keeps(i) ? x[i] * scale : 0.0f;
}

}  // namespace earshot
