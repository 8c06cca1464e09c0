#include "kernels/bf16.h"
#include "kernels/elementwise.cuh"

namespace earshot::cuda {

void convert(int64_t count, const float* from, Bf16* to, Stream stream) {
  launch_for_each("convert to bf16", count, stream, Convert<float, Bf16>{from, to});
}

void convert(int64_t count, const Bf16* from, float* to, Stream stream) {
  launch_for_each("convert from bf16", count, stream, Convert<Bf16, float>{from, to});
}

}  // namespace earshot::cuda
