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

template <typename X, typename Y>
void train(const BatchNormShape& s, const float* x, const float* gamma, const float* beta,
           float momentum, float epsilon, const BatchNormMoments& out, float* y) {
  const int64_t cells = s.rows * s.c;
  InOut<X> on_x("x", stored<X>(x, cells));
  const Input<float> on_gamma("gamma", taken(gamma, s.c)), on_beta("beta", taken(beta, s.c));
  Output<float> mean("mean", s.c), inverse("inverse deviation", s.c);
  Output<Y> on_y("y", cells);
  const bool moves = out.moving_mean != nullptr, in_place = x == y;
  InOut<float> moving_mean("moving mean", moves ? taken(out.moving_mean, s.c) : std::vector{0.0f});
  InOut<float> moving_variance("moving variance",
                               moves ? taken(out.moving_variance, s.c) : std::vector{0.0f});
  const Scratch scratch(s);
  // In place where x and y are stored alike.
  Y* const to = in_place ? reinterpret_cast<Y*>(on_x.data()) : on_y.data();
  cuda::batch_norm_train(s, on_x.data(), on_gamma.data(), on_beta.data(), momentum, epsilon,
                         {mean.data(), inverse.data(), moves ? moving_mean.data() : nullptr,
                          moves ? moving_variance.data() : nullptr},
                         to, scratch.data(), nullptr);
  copy(mean.values(), out.mean);
  copy(inverse.values(), out.inverse_deviation);
  if (moves) copy(moving_mean.values(), out.moving_mean);
  if (moves) copy(moving_variance.values(), out.moving_variance);
  copy(in_place ? loaded(on_x.values()) : loaded(on_y.values()), y);
}

template <typename X, typename Y>
void inference(const BatchNormShape& s, const float* x, const float* gamma, const float* beta,
               const float* moving_mean, const float* moving_variance, float epsilon, float* y) {
  const Input<X> on_x("x", stored<X>(x, s.rows * s.c));
  const Input<float> on_gamma("gamma", taken(gamma, s.c)), on_beta("beta", taken(beta, s.c)),
      mean("moving mean", taken(moving_mean, s.c)),
      variance("moving variance", taken(moving_variance, s.c));
  Output<Y> on_y("y", s.rows * s.c);
  cuda::batch_norm_inference(s, on_x.data(), on_gamma.data(), on_beta.data(), mean.data(),
                             variance.data(), epsilon, on_y.data(), nullptr);
  copy(loaded(on_y.values()), y);
}

template <typename X, typename Y>
void backward(const BatchNormShape& s, const float* x, const float* dy, const float* gamma,
              const float* mean, const float* inverse_deviation, const BatchNormGradients& out) {
  const int64_t cells = s.rows * s.c;
  const Input<X> on_x("x", stored<X>(x, cells));
  const Input<float> on_gamma("gamma", taken(gamma, s.c)), on_mean("mean", taken(mean, s.c)),
      inverse("inverse", taken(inverse_deviation, s.c));
  InOut<Y> on_dy("dy", stored<Y>(dy, cells));
  Output<X> dx("dx", cells);
  Output<float> dgamma("dgamma", s.c), dbeta("dbeta", s.c);
  const bool in_place = out.dx == dy;
  const Scratch scratch(s);
  X* const to = in_place ? reinterpret_cast<X*>(on_dy.data()) : dx.data();
  cuda::batch_norm_backward(s, on_x.data(), on_dy.data(), on_gamma.data(), on_mean.data(),
                            inverse.data(), {to, dgamma.data(), dbeta.data()}, scratch.data(),
                            nullptr);
  copy(in_place ? loaded(on_dy.values()) : loaded(dx.values()), out.dx);
  copy(dgamma.values(), out.dgamma);
  copy(dbeta.values(), out.dbeta);
}

template <typename X, typename Y>
BatchNormBody body(const BatchNormShape& s) {
  return {s,
          {train<X, Y>, inference<X, Y>, backward<X, Y>},
          {std::is_same_v<X, Bf16>, std::is_same_v<Y, Bf16>}};
}

class EmulatedBatchNorm : public testing::TestWithParam<BatchNormShape> {};

TEST_P(EmulatedBatchNorm, TrainMatches) { body<float, float>(GetParam()).train_matches(); }
TEST_P(EmulatedBatchNorm, TrainMatchesInBf16) { body<Bf16, Bf16>(GetParam()).train_matches(); }
TEST_P(EmulatedBatchNorm, TrainMatchesFromBf16) { body<Bf16, float>(GetParam()).train_matches(); }
TEST_P(EmulatedBatchNorm, TrainInPlaceAndWithoutMovingAverages) {
  body<float, float>(GetParam()).train_in_place_and_without_moving_averages();
  body<Bf16, Bf16>(GetParam()).train_in_place_and_without_moving_averages();
}
TEST_P(EmulatedBatchNorm, InferenceMatches) {
  body<float, float>(GetParam()).inference_matches();
  body<Bf16, Bf16>(GetParam()).inference_matches();
  body<Bf16, float>(GetParam()).inference_matches();
}
TEST_P(EmulatedBatchNorm, MomentsOfPositiveValuesKeepTheirDigits) {
  body<float, float>(GetParam()).moments_of_positive_values_keep_their_digits();
}
TEST_P(EmulatedBatchNorm, BackwardMatches) { body<float, float>(GetParam()).backward_matches(); }
TEST_P(EmulatedBatchNorm, BackwardMatchesInBf16) {
  body<Bf16, Bf16>(GetParam()).backward_matches();
}
TEST_P(EmulatedBatchNorm, BackwardMatchesFromBf16) {
  body<Bf16, float>(GetParam()).backward_matches();
}

INSTANTIATE_TEST_SUITE_P(OddSizes, EmulatedBatchNorm,
                         testing::Values(BatchNormShape{1, 1}, BatchNormShape{1, 17},
                                         BatchNormShape{2, 3}, BatchNormShape{33, 1},
                                         BatchNormShape{37, 17}, BatchNormShape{1000, 64},
                                         BatchNormShape{70001, 1}, BatchNormShape{331, 100},
                                         BatchNormShape{128, 32}, BatchNormShape{3, 2000}));

}  // namespace
}  // namespace earshot
