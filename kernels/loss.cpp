#include "kernels/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace earshot {
namespace {

float log_sum_exp(const float* x, int64_t count) {
  const float largest = *std::max_element(x, x + count);
  float sum = 0;
  for (int64_t c = 0; c < count; ++c) sum += std::exp(x[c] - largest);
  return largest + std::log(sum);
}

}  // namespace

void softmax_loss(const LossShape& s, const float* logits, const float* targets,
                  const float* class_weights, float* loss, float* dlogits) {
  for (int64_t i = 0; i < s.n; ++i) {
    const float* x = logits + i * s.classes;
    const float* y = targets + i * s.classes;
    const float log_sum = log_sum_exp(x, s.classes);
    float weight = 0, mass = 0, entropy = 0;
    for (int64_t c = 0; c < s.classes; ++c) {
      weight += y[c] * class_weights[c];
      mass += y[c];
      if (y[c] > 0) entropy -= y[c] * (x[c] - log_sum);
    }
    loss[i] = weight * entropy;
    if (!dlogits) continue;
    const float scale = weight / static_cast<float>(s.n);
    for (int64_t c = 0; c < s.classes; ++c)
      dlogits[i * s.classes + c] = scale * (std::exp(x[c] - log_sum) * mass - y[c]);
  }
}

void log_softmax(const LossShape& s, const float* logits, float* out) {
  for (int64_t i = 0; i < s.n; ++i) {
    const float* x = logits + i * s.classes;
    const float log_sum = log_sum_exp(x, s.classes);
    for (int64_t c = 0; c < s.classes; ++c) out[i * s.classes + c] = x[c] - log_sum;
  }
}

}  // namespace earshot
