// One warp per example: the classes are few and a batch is small.
#include "kernels/loss.h"
#include "kernels/warp.cuh"

namespace earshot::cuda {
namespace {

constexpr int kExamples = 4;  // of a block

__device__ inline float log_sum_exp(const float* x, int64_t classes) {
  float largest = x[0];
  for (int64_t c = threadIdx.x; c < classes; c += kWarp) largest = fmaxf(largest, x[c]);
  largest = warp_max(largest);
  float sum = 0;
  for (int64_t c = threadIdx.x; c < classes; c += kWarp) sum += expf(x[c] - largest);
  return largest + logf(warp_sum(sum));
}

__global__ void __launch_bounds__(kWarp* kExamples)
    loss_of_example(LossShape s, const float* logits, const float* targets,
                    const float* class_weights, float* loss, float* dlogits) {
  const int64_t i = int64_t{blockIdx.x} * kExamples + threadIdx.y;
  if (i >= s.n) return;
  const float* x = logits + i * s.classes;
  const float* y = targets + i * s.classes;
  const float log_sum = log_sum_exp(x, s.classes);
  float weight = 0, mass = 0, entropy = 0;
  for (int64_t c = threadIdx.x; c < s.classes; c += kWarp) {
    weight += y[c] * class_weights[c];
    mass += y[c];
    if (y[c] > 0) entropy -= y[c] * (x[c] - log_sum);
  }
  weight = warp_sum(weight);
  mass = warp_sum(mass);
  entropy = warp_sum(entropy);
  if (threadIdx.x == 0) loss[i] = weight * entropy;
  if (!dlogits) return;
  const float scale = weight / static_cast<float>(s.n);
  for (int64_t c = threadIdx.x; c < s.classes; c += kWarp)
    dlogits[i * s.classes + c] = scale * (expf(x[c] - log_sum) * mass - y[c]);
}

__global__ void __launch_bounds__(kWarp* kExamples)
    log_softmax_of_example(LossShape s, const float* logits, float* out) {
  const int64_t i = int64_t{blockIdx.x} * kExamples + threadIdx.y;
  if (i >= s.n) return;
  const float log_sum = log_sum_exp(logits + i * s.classes, s.classes);
  for (int64_t c = threadIdx.x; c < s.classes; c += kWarp)
    out[i * s.classes + c] = logits[i * s.classes + c] - log_sum;
}

Grid grid_of(const LossShape& s) {
  return {blocks_x(ceil_div(s.n, kExamples)), {kWarp, kExamples}};
}

}  // namespace

void softmax_loss(const LossShape& s, const float* logits, const float* targets,
                  const float* class_weights, float* loss, float* dlogits, Stream stream) {
  launch("softmax_loss", loss_of_example, grid_of(s), stream, s, logits, targets, class_weights,
         loss, dlogits);
}

void log_softmax(const LossShape& s, const float* logits, float* out, Stream stream) {
  launch("log_softmax", log_softmax_of_example, grid_of(s), stream, s, logits, out);
}

}  // namespace earshot::cuda
