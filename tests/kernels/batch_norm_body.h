// The tests of batch norm, for every form of it.
#pragma once

#include <gtest/gtest.h>

#include "kernels/batch_norm.h"
#include "tests/kernels/stored.h"
#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {

/// Pointers are the host's.
struct BatchNormCalls {
  decltype(&batch_norm_train) train;
  decltype(&batch_norm_inference) inference;
  decltype(&batch_norm_backward) backward;
};

/// What x, dx and y, dy are rounded to on their way in and out of the calls.
struct BatchNormStorage {
  bool x_is_bf16 = false, y_is_bf16 = false;
};

/// Rows that one float may take in, one after the other; from there on sums are sums of sums.
constexpr int64_t kLongestSum = 320;

class BatchNormBody {
 public:
  BatchNormBody(const BatchNormShape& shape, const BatchNormCalls& form, BatchNormStorage as = {})
      : s(shape), calls(form), storage(as) {
    if (storage.x_is_bf16) x = representable<Bf16>(x);
    if (storage.y_is_bf16) dy = representable<Bf16>(dy);
  }

  void train_matches() {
    const auto expected = reference::batch_norm_train(s, widen(x), exact);
    train();
    const double g = growth(std::min(s.rows, kLongestSum));
    const Values five(c, 5.0);
    expect_close(mean, expected.mean, rounding(g, five), "mean");
    Values relative = expected.inverse_deviation;
    for (double& v : relative) v *= 1 + 5 * v;  // variance: sum, and |x| against the deviation
    expect_close(deviation, expected.inverse_deviation, rounding(g, relative), "inverse deviation");
    expect_close(
        y, expected.y,
        of_y(rounding(g, magnitude_of_y(expected.mean, expected.inverse_deviation)), expected.y),
        "y");
    const Values one(c, 1.0), two(c, 2.0);
    const double fresh = 1 - exact.momentum;  // exact in float32; the share of the batch's moments
    expect_close(moving_mean, expected.moving_mean, rounding(growth(1) + fresh * 5 * g, one),
                 "moving mean");
    expect_close(moving_variance, expected.moving_variance,
                 rounding(growth(1) + fresh * 5 * g, two), "moving variance");
  }

  void train_in_place_and_without_moving_averages() {
    train();
    std::vector<float> other_mean(c), other_deviation(c), place = x;
    calls.train(s, place.data(), gamma.data(), beta.data(), kMomentum, kEpsilon,
                {other_mean.data(), other_deviation.data(), nullptr, nullptr}, place.data());
    EXPECT_EQ(place, y);
    EXPECT_EQ(other_mean, mean);
    EXPECT_EQ(other_deviation, deviation);
  }

  /// Behind a ReLU all values have one sign. An eighth of the bound on a sum of 320 terms, which
  /// one float that took in thousands of them exceeds.
  void moments_of_positive_values_keep_their_digits() {
    for (float& v : x) v = 1 + std::abs(v);
    const auto expected = reference::batch_norm_train(s, widen(x), exact);
    train();
    const double g = growth(kLongestSum) / 8;
    expect_close(mean, expected.mean, rounding(g, expected.mean), "mean");
    Values relative = expected.inverse_deviation;
    for (size_t i = 0; i < c; ++i) relative[i] *= expected.mean[i] * relative[i];
    expect_close(deviation, expected.inverse_deviation, rounding(g, relative), "inverse deviation");
  }

  void inference_matches() {
    calls.inference(s, x.data(), gamma.data(), beta.data(), moving_mean.data(),
                    moving_variance.data(), kEpsilon, y.data());
    Values inverse(c);
    for (size_t k = 0; k < c; ++k)
      inverse[k] = 1 / std::sqrt(exact.moving_variance[k] + exact.epsilon);
    const Values expected = reference::batch_norm_inference(s, widen(x), exact);
    expect_close(y, expected,
                 of_y(rounding(growth(1), magnitude_of_y(exact.moving_mean, inverse)), expected),
                 "inference y");
  }

  void backward_matches() {
    train();
    std::vector<float> dx(x.size(), 9), dgamma(c, 9), dbeta(c, 9);
    calls.backward(s, x.data(), dy.data(), gamma.data(), mean.data(), deviation.data(),
                   {dx.data(), dgamma.data(), dbeta.data()});
    const Values wide_x = widen(x), wide_dy = widen(dy), m = widen(mean),
                 inverse = widen(deviation);
    const auto expected =
        reference::batch_norm_backward(s, wide_x, wide_dy, exact.gamma, m, inverse);
    // (x - mean) rounds relative to |x| + |mean|, and the sums of |dy| bound the rest.
    Values dbeta_size(c), dgamma_size(c), dx_size(x.size());
    const auto spread = [&](size_t i) {
      return (std::abs(wide_x[i]) + std::abs(m[i % c])) * inverse[i % c];
    };
    for (size_t i = 0; i < dx_size.size(); ++i) {
      dbeta_size[i % c] += std::abs(wide_dy[i]);
      dgamma_size[i % c] += std::abs(wide_dy[i]) * spread(i);
    }
    const double rows = static_cast<double>(s.rows);
    for (size_t i = 0; i < dx_size.size(); ++i)
      dx_size[i] =
          std::abs(exact.gamma[i % c]) * inverse[i % c] *
          (std::abs(wide_dy[i]) + dbeta_size[i % c] / rows + spread(i) * dgamma_size[i % c] / rows);
    const double g = growth(std::min(s.rows, kLongestSum));
    expect_close(dbeta, expected.dbeta, rounding(g, dbeta_size), "dbeta");
    expect_close(dgamma, expected.dgamma, rounding(g, dgamma_size), "dgamma");
    const Values of_dx = rounding(g, dx_size);
    expect_close(dx, expected.dx, storage.x_is_bf16 ? stored_as_bf16(of_dx, expected.dx) : of_dx,
                 "dx");
    if (storage.x_is_bf16 != storage.y_is_bf16) return;  // dy has no place for dx

    std::vector<float> place = dy, again(c), once_more(c);
    calls.backward(s, x.data(), place.data(), gamma.data(), mean.data(), deviation.data(),
                   {place.data(), again.data(), once_more.data()});
    EXPECT_EQ(place, dx);
  }

 private:
  using Values = reference::Values;
  static constexpr float kMomentum = 0.99f, kEpsilon = 1e-3f;

  BatchNormShape s;
  BatchNormCalls calls;
  BatchNormStorage storage;
  size_t c = static_cast<size_t>(s.c);
  // Means far from zero, as after a ReLU, so that a variance of squares alone would cancel.
  std::vector<float> x = random_values(s.rows * s.c, 1, 2, 5);
  std::vector<float> gamma = random_values(s.c, 2), beta = random_values(s.c, 3);
  std::vector<float> moving_mean = random_values(s.c, 4);
  std::vector<float> moving_variance = random_values(s.c, 5, 0.1, 2);
  std::vector<float> dy = random_values(s.rows * s.c, 6);
  std::vector<float> mean = std::vector<float>(c), deviation = mean;
  std::vector<float> y = std::vector<float>(x.size());
  reference::NormParameters exact{widen(gamma),
                                  widen(beta),
                                  widen(moving_mean),
                                  widen(moving_variance),
                                  static_cast<double>(kMomentum),
                                  static_cast<double>(kEpsilon)};

  void train() {
    calls.train(s, x.data(), gamma.data(), beta.data(), kMomentum, kEpsilon,
                {mean.data(), deviation.data(), moving_mean.data(), moving_variance.data()},
                y.data());
  }
  Values of_y(const Values& tolerance, const Values& expected) const {
    return storage.y_is_bf16 ? stored_as_bf16(tolerance, expected) : tolerance;
  }
  /// Errors of mean and deviation are relative to the values, |x| <= 5; a normalised value
  /// carries the latter in proportion: |gamma| / deviation 5 (1 + |normal|) + |beta|.
  Values magnitude_of_y(const Values& center, const Values& inverse) const {
    Values m(x.size());
    for (size_t i = 0; i < m.size(); ++i) {
      const double scale = std::abs(exact.gamma[i % c]) * inverse[i % c];
      const double normal = std::abs(static_cast<double>(x[i]) - center[i % c]) * inverse[i % c];
      m[i] = scale * 5 * (1 + normal) + std::abs(exact.beta[i % c]);
    }
    return m;
  }
};

}  // namespace earshot
