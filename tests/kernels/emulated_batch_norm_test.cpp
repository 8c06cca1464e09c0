#include "tests/emulator/emulator.h"
#include "tests/kernels/batch_norm_body.h"

namespace earshot {
namespace {

using emulator::InOut;
using emulator::Input;
using emulator::Output;

void copy(const std::vector<float>& from, float* to) { std::copy(from.begin(), from.end(), to); }
std::vector<float> taken(const float* from, int64_t count) { return {from, from + count}; }

/// Scratch starts undefined and need not be filled: values() is never asked for.
struct Scratch : Output<float> {
  explicit Scratch(const BatchNormShape& s)
      : Output<float>("scratch", cuda::batch_norm_scratch(s)) {}
};

void train(const BatchNormShape& s, const float* x, const float* gamma, const float* beta,
           float momentum, float epsilon, const BatchNormMoments& out, float* y) {
  const int64_t cells = s.rows * s.c;
  InOut<float> on_x("x", taken(x, cells));
  const Input<float> on_gamma("gamma", taken(gamma, s.c)), on_beta("beta", taken(beta, s.c));
  Output<float> mean("mean", s.c), inverse("inverse deviation", s.c), on_y("y", cells);
  const bool moves = out.moving_mean != nullptr, in_place = x == y;
  InOut<float> moving_mean("moving mean", moves ? taken(out.moving_mean, s.c) : std::vector{0.0f});
  InOut<float> moving_variance("moving variance",
                               moves ? taken(out.moving_variance, s.c) : std::vector{0.0f});
  const Scratch scratch(s);
  cuda::batch_norm_train(s, on_x.data(), on_gamma.data(), on_beta.data(), momentum, epsilon,
                         {mean.data(), inverse.data(), moves ? moving_mean.data() : nullptr,
                          moves ? moving_variance.data() : nullptr},
                         in_place ? on_x.data() : on_y.data(), scratch.data(), nullptr);
  copy(mean.values(), out.mean);
  copy(inverse.values(), out.inverse_deviation);
  if (moves) copy(moving_mean.values(), out.moving_mean);
  if (moves) copy(moving_variance.values(), out.moving_variance);
  copy(in_place ? on_x.values() : on_y.values(), y);
}

void inference(const BatchNormShape& s, const float* x, const float* gamma, const float* beta,
               const float* moving_mean, const float* moving_variance, float epsilon, float* y) {
  const Input<float> on_x("x", taken(x, s.rows * s.c)), on_gamma("gamma", taken(gamma, s.c)),
      on_beta("beta", taken(beta, s.c)), mean("moving mean", taken(moving_mean, s.c)),
      variance("moving variance", taken(moving_variance, s.c));
  Output<float> on_y("y", s.rows * s.c);
  cuda::batch_norm_inference(s, on_x.data(), on_gamma.data(), on_beta.data(), mean.data(),
                             variance.data(), epsilon, on_y.data(), nullptr);
  copy(on_y.values(), y);
}

void backward(const BatchNormShape& s, const float* x, const float* dy, const float* gamma,
              const float* mean, const float* inverse_deviation, const BatchNormGradients& out) {
  const int64_t cells = s.rows * s.c;
  const Input<float> on_x("x", taken(x, cells)), on_gamma("gamma", taken(gamma, s.c)),
      on_mean("mean", taken(mean, s.c)), inverse("inverse", taken(inverse_deviation, s.c));
  InOut<float> on_dy("dy", taken(dy, cells));
  Output<float> dx("dx", cells), dgamma("dgamma", s.c), dbeta("dbeta", s.c);
  const bool in_place = out.dx == dy;
  const Scratch scratch(s);
  cuda::batch_norm_backward(
      s, on_x.data(), on_dy.data(), on_gamma.data(), on_mean.data(), inverse.data(),
      {in_place ? on_dy.data() : dx.data(), dgamma.data(), dbeta.data()}, scratch.data(), nullptr);
  copy(in_place ? on_dy.values() : dx.values(), out.dx);
  copy(dgamma.values(), out.dgamma);
  copy(dbeta.values(), out.dbeta);
}

class EmulatedBatchNorm : public testing::TestWithParam<BatchNormShape> {
 protected:
  BatchNormBody body{GetParam(), {train, inference, backward}};
};

TEST_P(EmulatedBatchNorm, TrainMatches) { body.train_matches(); }
TEST_P(EmulatedBatchNorm, TrainInPlaceAndWithoutMovingAverages) {
  body.train_in_place_and_without_moving_averages();
}
TEST_P(EmulatedBatchNorm, InferenceMatches) { body.inference_matches(); }
TEST_P(EmulatedBatchNorm, BackwardMatches) { body.backward_matches(); }

INSTANTIATE_TEST_SUITE_P(OddSizes, EmulatedBatchNorm,
                         testing::Values(BatchNormShape{1, 1}, BatchNormShape{1, 17},
                                         BatchNormShape{2, 3}, BatchNormShape{33, 1},
                                         BatchNormShape{37, 17}, BatchNormShape{1000, 64},
                                         BatchNormShape{70001, 1}, BatchNormShape{331, 100},
                                         BatchNormShape{128, 32}, BatchNormShape{3, 2000}));

}  // namespace
}  // namespace earshot
