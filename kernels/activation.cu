#include "kernels/activation.h"
#include "kernels/columns.cuh"

namespace earshot::cuda {
namespace {

struct BiasRelu {
  int64_t c;
  const float* bias;
  float* y;
  __device__ void operator()(int64_t i) const {
    const float sum = y[i] + bias[column_of(i, c)];
    y[i] = sum > 0 ? sum : 0.0f;
  }
};

}  // namespace

template <typename T>
void relu_backward(int64_t count, const T* y, T* dy, Stream stream) {
  launch_for_each("relu_backward", count, stream, ReluBackward<T>{y, dy});
}
template void relu_backward(int64_t, const float*, float*, Stream);
template void relu_backward(int64_t, const Bf16*, Bf16*, Stream);

void dropout(const DropoutMask& mask, int64_t count, const float* x, float* y, Stream stream) {
  launch_for_each("dropout", count, stream, DropoutCell{mask, 1.0f / (1.0f - mask.rate), x, y});
}

void bias_relu(int64_t rows, int64_t c, const float* bias, float* y, Stream stream) {
  launch_for_each("bias_relu", rows * c, stream, BiasRelu{c, bias, y});
}

}  // namespace earshot::cuda
