// The reference itself: each backward against central differences of its forward, for
// loss = sum of weights x outputs, in every input.
#include "tests/reference/finite_difference.h"

#include <gtest/gtest-spi.h>

#include <numeric>

#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Values;

Values draw(int64_t count, uint32_t name) { return widen(random_values(count, name)); }

double dot(const Values& a, const Values& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
double magnitude(const Values& a, const Values& b) { return dot(absolute(a), absolute(b)); }

struct ConvolutionCase {
  ConvolutionShape shape;
  uint32_t name;  // of the draw: one whose decisions are not close
};

class ConvolutionDerivative : public testing::TestWithParam<ConvolutionCase> {};

TEST_P(ConvolutionDerivative, IsTheSlopeOfForward) {
  const ConvolutionShape& s = GetParam().shape;  // by names: clang's lambdas take no bindings
  const uint32_t name = GetParam().name;
  Values x = draw(s.x().count(), name), weight = draw(s.weight().count(), name + 1);
  Values bias = draw(s.c_out, name + 2);
  const auto forward = reference::convolution(s, x, weight, bias);
  // No decision may change within the differences: |change| <= 2h max(|x|, |weight|, 1).
  ASSERT_GT(*std::min_element(forward.margin.begin(), forward.margin.end()), 4e-5);
  const Values dy = draw(s.y().count(), name + 3);
  const auto gradients = reference::convolution_backward(s, x, weight, forward, dy);
  const auto loss = [&] { return dot(reference::convolution(s, x, weight, bias).y, dy); };
  const double size = magnitude(forward.y, dy);
  expect_derivative(loss, x, gradients.dx, size, "convolution dx");
  expect_derivative(loss, weight, gradients.dweight, size, "convolution dweight");
  expect_derivative(loss, bias, gradients.dbias, size, "convolution dbias");
}

// n h w c_in c_out kernel pool
INSTANTIATE_TEST_SUITE_P(Shapes, ConvolutionDerivative,
                         testing::Values(ConvolutionCase{{2, 5, 7, 3, 4, 4, 4, 2, 3}, 100},
                                         ConvolutionCase{{1, 5, 4, 2, 3, 3, 3, 1, 1}, 200},
                                         ConvolutionCase{{2, 1, 19, 1, 3, 1, 11, 1, 4}, 300},
                                         ConvolutionCase{{1, 3, 3, 2, 2, 2, 5, 1, 1}, 400}));

TEST(Derivative, BatchNorm) {
  const BatchNormShape s{7, 3};
  Values x = draw(s.rows * s.c, 1);
  reference::NormParameters p{draw(s.c, 2),   draw(s.c, 3), Values(3, 0.0),
                              Values(3, 1.0), 0.99,         1e-3};
  const Values dy = draw(s.rows * s.c, 4);
  const auto forward = reference::batch_norm_train(s, x, p);
  const auto gradients =
      reference::batch_norm_backward(s, x, dy, p.gamma, forward.mean, forward.inverse_deviation);
  const auto loss = [&] { return dot(reference::batch_norm_train(s, x, p).y, dy); };
  const double size = magnitude(forward.y, dy);
  expect_derivative(loss, x, gradients.dx, size, "batch norm dx");
  expect_derivative(loss, p.gamma, gradients.dgamma, size, "batch norm dgamma");
  expect_derivative(loss, p.beta, gradients.dbeta, size, "batch norm dbeta");
}

TEST(Derivative, DenseWithRelu) {
  const reference::DenseShape s{3, 5, 4};
  Values x = draw(s.n * s.in, 11), weight = draw(s.in * s.out, 12), bias = draw(s.out, 13);
  const Values dy = draw(s.n * s.out, 14);
  const auto output = [&] { return reference::relu(reference::dense(s, x, weight, bias)); };
  for (const double before : reference::dense(s, x, weight, bias))
    ASSERT_GT(std::abs(before), 4e-5);
  const auto gradients =
      reference::dense_backward(s, x, weight, reference::relu_backward(output(), dy));
  const auto loss = [&] { return dot(output(), dy); };
  const double size = magnitude(output(), dy);
  expect_derivative(loss, x, gradients.dx, size, "dense dx");
  expect_derivative(loss, weight, gradients.dweight, size, "dense dweight");
  expect_derivative(loss, bias, gradients.dbias, size, "dense dbias");
}

TEST(Derivative, SoftmaxLossOnMixedTargets) {
  const LossShape s{3, 5};
  Values logits = draw(s.n * s.classes, 21);
  const Values targets = absolute(draw(s.n * s.classes, 22));
  const Values weights = absolute(draw(s.classes, 23));
  const auto loss = [&] {
    const Values each = reference::softmax_loss(s, logits, targets, weights).loss;
    return std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(s.n);
  };
  const Values dlogits = reference::softmax_loss(s, logits, targets, weights).dlogits;
  expect_derivative(loss, logits, dlogits, loss(), "softmax loss dlogits");
}

TEST(Derivative, FindsAFlippedSignAndAMissingTerm) {
  Values x{0.3, -0.2};
  const auto loss = [&] { return std::sin(x[0]) * x[1]; };
  const Values right{std::cos(0.3) * -0.2, std::sin(0.3)};
  EXPECT_NONFATAL_FAILURE(expect_derivative(loss, x, {-right[0], right[1]}, 1, "flipped sign"),
                          "flipped sign");
  EXPECT_NONFATAL_FAILURE(expect_derivative(loss, x, {right[0], 0.0}, 1, "missing term"),
                          "missing term");
  expect_derivative(loss, x, right, 1, "product");
}

}  // namespace
}  // namespace earshot
