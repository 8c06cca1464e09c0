// Every layer in double precision, as its formula reads: the slow, obviously right definition that
// the engine is measured against, itself proven by finite differences (finite_difference_test.cpp).
// Plain loops, never optimised. Layouts are the engine's.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/backend.h"
#include "kernels/batch_norm.h"
#include "kernels/loss.h"
#include "kernels/pool.h"

namespace earshot::reference {

using Values = std::vector<double>;
using Cells = std::vector<uint8_t>;

// Convolution ('same': (k - 1) / 2 zeros before, k / 2 after) + bias [n, h, w, c_out], before the
// ReLU.
Values convolve(const ConvolutionShape& s, const Values& x, const Values& weight,
                const Values& bias);
Values relu(Values x);

struct Pooled {
  Values y;
  Cells argmax;   // the first of equals
  Values margin;  // by how much each winner wins
};
Pooled max_pool(const PoolShape& s, const Values& x);
/// The gradient before the pool and the ReLU in front of it.
Values max_pool_relu_backward(const PoolShape& s, const Values& y, const Cells& argmax,
                              const Values& dy);

/// max_pool(relu(convolve())). `margin`: the change before the ReLU that would switch the ReLU or
/// the winner, and so leave the piece on which the function is linear.
Pooled convolution(const ConvolutionShape& s, const Values& x, const Values& weight,
                   const Values& bias);
struct ConvolutionGradients {
  Values dx, dweight, dbias;
};
ConvolutionGradients convolution_backward(const ConvolutionShape& s, const Values& x,
                                          const Values& weight, const Pooled& forward,
                                          const Values& dy);

struct NormParameters {
  Values gamma, beta, moving_mean, moving_variance;
  double momentum, epsilon;
};
struct Normalised {
  Values y, mean, inverse_deviation, moving_mean, moving_variance;
};
Normalised batch_norm_train(const BatchNormShape& s, const Values& x, const NormParameters& p);
Values batch_norm_inference(const BatchNormShape& s, const Values& x, const NormParameters& p);
struct NormGradients {
  Values dx, dgamma, dbeta;
};
NormGradients batch_norm_backward(const BatchNormShape& s, const Values& x, const Values& dy,
                                  const Values& gamma, const Values& mean,
                                  const Values& inverse_deviation);

struct DenseShape {
  int64_t n, in, out;
};
Values dense(const DenseShape& s, const Values& x, const Values& weight, const Values& bias);
struct DenseGradients {
  Values dx, dweight, dbias;
};
/// dy is the gradient of x weight + bias, before any activation.
DenseGradients dense_backward(const DenseShape& s, const Values& x, const Values& weight,
                              const Values& dy);
Values relu_backward(const Values& y, const Values& dy);

Values log_softmax(const LossShape& s, const Values& logits);
struct Loss {
  Values loss, dlogits;  // dlogits of the mean over the batch
};
Loss softmax_loss(const LossShape& s, const Values& logits, const Values& targets,
                  const Values& class_weights);

struct AdamState {
  Values p, m, v;
};
/// The numbers of an AdamStep, not rounded to float32.
struct AdamNumbers {
  double rate, beta1, beta2, epsilon, decay;
};
/// Step t = 1, 2, ... of Keras 2.2.
AdamNumbers keras_adam(int64_t t, double learning_rate, double beta1, double beta2, double epsilon,
                       double weight_decay);
void adam(const AdamNumbers& s, const Values& g, AdamState& state);

}  // namespace earshot::reference
