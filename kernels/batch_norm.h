// Batch normalisation per channel over all rows (Ioffe & Szegedy 2015, Algorithm 1).
//   y = gamma (x - mean) / sqrt(var + eps) + beta, var biased over the batch
//   moving = momentum moving + (1 - momentum) batch, with the unbiased variance
// Sums run over fixed chunks of rows, merged in order: the bits do not depend on the thread count.
#pragma once

#include <cstdint>

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

struct BatchNormGradients {
  float* dx;      // [rows, c], may be dy
  float* dgamma;  // [c]
  float* dbeta;   // [c]
};

/// dx = gamma inv / rows (rows dy - sum dy - xhat sum(dy xhat))
void batch_norm_backward(const BatchNormShape& s, const float* x, const float* dy,
                         const float* gamma, const float* mean, const float* inverse_deviation,
                         const BatchNormGradients& out);

// On a CUDA device: pointers are the device's. scratch: batch_norm_scratch floats, on a multiple
// of 16 bytes.
namespace cuda {
int64_t batch_norm_scratch(const BatchNormShape& s);
void batch_norm_train(const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float momentum, float epsilon,
                      const BatchNormMoments& moments, float* y, float* scratch, Stream stream);
void batch_norm_inference(const BatchNormShape& s, const float* x, const float* gamma,
                          const float* beta, const float* moving_mean, const float* moving_variance,
                          float epsilon, float* y, Stream stream);
void batch_norm_backward(const BatchNormShape& s, const float* x, const float* dy,
                         const float* gamma, const float* mean, const float* inverse_deviation,
                         const BatchNormGradients& out, float* scratch, Stream stream);
}  // namespace cuda

}  // namespace earshot
