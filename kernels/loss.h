// Softmax with class-weighted cross-entropy on mixed targets (paper 2.5):
//   s_i = sum_c y_ic w_c,   loss_i = -s_i sum_c y_ic log p_ic,   p = softmax(logits)
//   dlogits_i = s_i / n (p_i sum_c y_ic - y_i)
#pragma once

#include <cstdint>

#include "kernels/stream.h"

namespace earshot {

struct LossShape {
  int64_t n, classes;
};

/// logits, targets [n, classes], class_weights [classes] -> loss [n], dlogits [n, classes].
/// dlogits may be null.
void softmax_loss(const LossShape& s, const float* logits, const float* targets,
                  const float* class_weights, float* loss, float* dlogits);

/// out [n, classes] = logits - log sum exp(logits); out may be logits.
void log_softmax(const LossShape& s, const float* logits, float* out);

// On a CUDA device: pointers are the device's.
namespace cuda {
void softmax_loss(const LossShape& s, const float* logits, const float* targets,
                  const float* class_weights, float* loss, float* dlogits, Stream stream);
void log_softmax(const LossShape& s, const float* logits, float* out, Stream stream);
}  // namespace cuda

}  // namespace earshot
