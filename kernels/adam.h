// Adam in the form of Keras 2.2 (Kingma & Ba, "Adam", section 2, last paragraph): epsilon stands
// outside the bias correction.
//   m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
//   p -= lr sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)  +  lr * decay * p
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace earshot {

struct AdamStep {
  float rate;  // lr sqrt(1 - b2^t) / (1 - b1^t)
  float beta1, beta2, epsilon;
  float decay;  // lr * weight decay
};

inline AdamStep adam_step(int64_t t, double learning_rate, double beta1, double beta2,
                          double epsilon, double weight_decay) {
  const double step = static_cast<double>(t);
  const double rate =
      learning_rate * std::sqrt(1 - std::pow(beta2, step)) / (1 - std::pow(beta1, step));
  return {static_cast<float>(rate), static_cast<float>(beta1), static_cast<float>(beta2),
          static_cast<float>(epsilon), static_cast<float>(learning_rate * weight_decay)};
}

/// One parameter.
struct AdamUpdate {
  EARSHOT_HOST_DEVICE void operator()(float& p, float g, float& m, float& v,
                                      const AdamStep& s) const {
    m = s.beta1 * m + (1.0f - s.beta1) * g;
    v = s.beta2 * v + (1.0f - s.beta2) * g * g;
    p = p - s.rate * m / (sqrtf(v) + s.epsilon) - s.decay * p;
  }
};

/// All parameters at once: p, g, m, v [count]. Nothing where *skip is not 0.
void adam(float* p, const float* g, float* m, float* v, int64_t count, const AdamStep* step,
          const int32_t* skip);

// On a CUDA device: pointers are the device's.
namespace cuda {
void adam(float* p, const float* g, float* m, float* v, int64_t count, const AdamStep* step,
          const int32_t* skip, Stream stream);
}  // namespace cuda

}  // namespace earshot
