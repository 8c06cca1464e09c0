// Batch normalisation per channel over all rows (Ioffe & Szegedy 2015, Algorithm 1).
//   y = gamma (x - mean) / sqrt(var + eps) + beta, var biased over the batch
//   moving = momentum moving + (1 - momentum) batch, with the unbiased variance
// Sums run over fixed chunks of rows, merged in order: the bits do not depend on the thread count.
#pragma once

#include <cstdint>

#include "kernels/bf16.h"
#include "kernels/stream.h"

namespace earshot {

struct BatchNormShape {
  int64_t rows, c;
};

struct BatchNormMoments {  // [c] each
  float* mean;
  float* inverse_deviation;  // 1 / sqrt(var + eps)
  float* moving_mean;        // both null: left alone
  float* moving_variance;
};

/// x, y [rows, c]; y may be x.
void batch_norm_train(const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float momentum, float epsilon,
                      const BatchNormMoments& moments, float* y);

void batch_norm_inference(const BatchNormShape& s, const float* x, const float* gamma,
                          const float* beta, const float* moving_mean, const float* moving_variance,
                          float epsilon, float* y);

template <typename X>
struct BatchNormGradientsOf {
  X* dx;          // [rows, c], may be dy
  float* dgamma;  // [c]
  float* dbeta;   // [c]
};
using BatchNormGradients = BatchNormGradientsOf<float>;

/// dx = gamma inv / rows (rows dy - sum dy - xhat sum(dy xhat))
void batch_norm_backward(const BatchNormShape& s, const float* x, const float* dy,
                         const float* gamma, const float* mean, const float* inverse_deviation,
                         const BatchNormGradients& out);

// On a CUDA device: pointers are the device's. scratch: batch_norm_scratch floats, on a multiple
// of 16 bytes. X, Y: what x, dx and y, dy are stored as: float, Bf16, or X Bf16 and Y float.
namespace cuda {
int64_t batch_norm_scratch(const BatchNormShape& s);
template <typename X, typename Y>
void batch_norm_train(const BatchNormShape& s, const X* x, const float* gamma, const float* beta,
                      float momentum, float epsilon, const BatchNormMoments& moments, Y* y,
                      float* scratch, Stream stream);
template <typename X, typename Y>
void batch_norm_inference(const BatchNormShape& s, const X* x, const float* gamma,
                          const float* beta, const float* moving_mean, const float* moving_variance,
                          float epsilon, Y* y, Stream stream);
template <typename X, typename Y>
void batch_norm_backward(const BatchNormShape& s, const X* x, const Y* dy, const float* gamma,
                         const float* mean, const float* inverse_deviation,
                         const BatchNormGradientsOf<X>& out, float* scratch, Stream stream);
}  // namespace cuda

}  // namespace earshot
