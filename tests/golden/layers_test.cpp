// Layers, loss and optimiser against Keras, moving averages against PyTorch.
#include <algorithm>

#include "tests/engine/backend_fixture.h"
#include "tests/golden/golden.h"

namespace earshot {
namespace {

using golden::expect_near_largest;

constexpr double kShare = 2e-6;  // of the largest value: float32 sums of up to some hundred terms

class Layers : public BackendTest {
 protected:
  Layers() : file("layers") {}
  GuardedTensor given(const std::string& name) const {
    return {backend(), file.shape(name), "given", file.floats(name)};
  }
  /// Room for a result of the shape of golden `name`.
  GuardedTensor room(const std::string& name) const {
    return {backend(), file.shape(name), "result"};
  }
  void expect(const GuardedTensor& got, const std::string& name, double share = kShare) const {
    expect_near_largest(got.get(), file.values(name), share, name);
  }
  golden::File file;
};
EARSHOT_ALL_BACKENDS(Layers);

struct Case {
  std::string name;
  int64_t pool_h, pool_w;
};
const Case kConvolutions[] = {{"conv1d_11", 1, 8},         {"conv1d_9", 1, 16},
                              {"conv1d_5", 1, 1},          {"conv2d_4x4", 1, 1},
                              {"conv2d_4x4_pooled", 2, 2}, {"conv2d_3x3_2x4", 2, 4}};

/// As layers.py has it: with the paper's counts of channels, inputs drawn in the test.
struct WideCase {
  const char* name;
  ConvolutionShape shape;
  double share;  // fast algorithms round more, by the size of their transforms
};
const WideCase kWide[] = {
    {"wide1d_11_first", {1, 1, 120, 1, 32, 1, 11, 1, 1}, kShare},
    {"wide1d_9", {2, 1, 128, 32, 32, 1, 9, 1, 16}, 1e-5},
    {"wide2d_4x4_first", {1, 8, 16, 1, 32, 4, 4, 1, 1}, kShare},
    {"wide2d_4x4", {1, 32, 32, 32, 32, 4, 4, 2, 2}, 1e-5},
    {"wide2d_3x3_2x4", {1, 32, 32, 32, 32, 3, 3, 2, 4}, 1e-5},
};

struct ConvolutionInputs {
  std::vector<float> x, weight, bias, dy;
};

void expect_convolution(Backend& backend, const golden::File& file, const std::string& of,
                        const ConvolutionShape& s, const ConvolutionInputs& in, double share) {
  const auto plan = backend.convolution(s, {}, of);
  const Shape vector{1, 1, 1, s.c_out};
  const GuardedTensor x(backend, s.x(), "x", in.x),
      weight(backend, s.weight(), "weight", in.weight), bias(backend, vector, "bias", in.bias),
      y(backend, s.y(), "y"), dy(backend, s.y(), "dy", in.dy), dx(backend, s.x(), "dx"),
      dweight(backend, s.weight(), "dweight"), dbias(backend, vector, "dbias"),
      argmax(backend, s.y(), "argmax", DType::kU8);
  const int64_t bytes =
      std::max<int64_t>({plan->forward_scratch(), plan->backward_scratch(), int64_t{256}});
  const GuardedTensor scratch(backend, {1, 1, 1, bytes}, "scratch", DType::kU8);
  const Tensor cells = s.pooled() ? *argmax : Tensor{};
  plan->forward({x, weight, bias, y, cells, scratch});
  expect_near_largest(y.get(), file.values(of + ".y"), share, of + ".y");
  plan->backward({x, weight, y, cells, dy, dx, dweight, dbias, scratch});
  expect_near_largest(dx.get(), file.values(of + ".dx"), share, of + ".dx");
  expect_near_largest(dweight.get(), file.values(of + ".dweight"), share, of + ".dweight");
  expect_near_largest(dbias.get(), file.values(of + ".dbias"), share, of + ".dbias");
}

TEST_P(Layers, ConvolutionReluPool) {
  for (const Case& c : kConvolutions) {
    const std::string of = c.name + ".";
    const Shape in = file.shape(of + "x"), kernel = file.shape(of + "weight");
    const ConvolutionShape s{in.n,     in.h,     in.w,     in.c,    kernel.n,
                             kernel.h, kernel.w, c.pool_h, c.pool_w};
    expect_convolution(backend(), file, c.name, s,
                       {file.floats(of + "x"), file.floats(of + "weight"), file.floats(of + "bias"),
                        file.floats(of + "dy")},
                       kShare);
  }
}

std::vector<float> drawn(int64_t count, uint32_t seed, float scale) {
  std::vector<float> values = golden::noise(count, seed);
  for (float& x : values) x *= scale;
  return values;
}

TEST_P(Layers, ConvolutionsOfThePapersWidth) {
  uint32_t seed = 1001;
  for (const WideCase& c : kWide) {
    const ConvolutionShape& s = c.shape;
    expect_convolution(backend(), file, c.name, s,
                       {drawn(s.x().count(), seed, 1), drawn(s.weight().count(), seed + 1, 0.5f),
                        drawn(s.c_out, seed + 2, 0.25f), drawn(s.y().count(), seed + 3, 1)},
                       c.share);
    seed += 100;
  }
}

TEST_P(Layers, BatchNorm) {
  const std::string of = "batch_norm.";
  const GuardedTensor x = given(of + "x"), gamma = given(of + "gamma"), beta = given(of + "beta"),
                      moving_mean = given(of + "moving_mean"),
                      moving_variance = given(of + "moving_variance"), y = room(of + "y"),
                      mean = room(of + "gamma"), deviation = room(of + "gamma"),
                      dy = given(of + "dy"), dx = room(of + "x"), dgamma = room(of + "gamma"),
                      dbeta = room(of + "gamma");
  const BatchNormForward forward{x, gamma, beta,      moving_mean, moving_variance,
                                 y, mean,  deviation, 0.99f,       1e-3f};
  backend().batch_norm_inference(forward);
  expect(y, of + "inference");
  backend().batch_norm_train(forward);
  expect(y, of + "y");
  backend().batch_norm_backward({x, gamma, mean, deviation, dy, dx, dgamma, dbeta});
  expect(dx, of + "dx");
  expect(dgamma, of + "dgamma");
  expect(dbeta, of + "dbeta");
}

TEST_P(Layers, MovingAveragesOverTenSteps) {
  const auto x = file.floats("moving.x");
  const auto means = file.values("moving.mean"), variances = file.values("moving.variance");
  const Shape shape{9, 1, 1, 4}, vector{1, 1, 1, 4};
  const std::vector<float> zeros(4, 0.0f), ones(4, 1.0f);
  const GuardedTensor gamma(backend(), vector, "gamma", ones), beta(backend(), vector, "b", zeros),
      mean(backend(), vector, "moving mean", zeros), variance(backend(), vector, "var", ones),
      batch_mean(backend(), vector, "mean"), deviation(backend(), vector, "deviation"),
      y(backend(), shape, "y");
  for (int64_t step = 0; step < 10; ++step) {
    const GuardedTensor batch(backend(), shape, "x",
                              {x.begin() + step * 36, x.begin() + (step + 1) * 36});
    backend().batch_norm_train(
        {batch, gamma, beta, mean, variance, y, batch_mean, deviation, 0.99f, 1e-3f});
    const auto row = [&](const std::vector<double>& all) {
      return std::vector<double>(all.begin() + step * 4, all.begin() + (step + 1) * 4);
    };
    expect_near_largest(mean.get(), row(means), kShare, "moving mean");
    expect_near_largest(variance.get(), row(variances), kShare, "moving variance");
  }
}

TEST_P(Layers, Dense) {
  const std::string of = "dense.";
  const GuardedTensor x = given(of + "x"), bias = given(of + "bias"), y = room(of + "y"),
                      dy = given(of + "dy"), dx = room(of + "x"), dbias = room(of + "bias");
  const Shape in_out{11, 1, 1, 7};
  const GuardedTensor weight(backend(), in_out, "weight", file.floats(of + "weight")),
      dweight(backend(), in_out, "dweight");
  backend().dense_forward({x, weight, bias, y, Activation::kRelu});
  expect(y, of + "y");
  backend().dense_backward({x, weight, y, dy, dx, dweight, dbias, Activation::kRelu});
  expect(dx, of + "dx");
  expect(dweight, of + "dweight");
  expect(dbias, of + "dbias");
}

TEST_P(Layers, WeightedLossOfMixedTargets) {
  const std::string of = "loss.";
  const GuardedTensor logits = given(of + "logits"), targets = given(of + "targets"),
                      weights = given(of + "class_weights"), dlogits = room(of + "logits");
  const GuardedTensor loss(backend(), {6, 1, 1, 1}, "loss");
  backend().softmax_loss({logits, targets, weights, loss, dlogits});
  expect(loss, of + "loss");
  expect(dlogits, of + "dlogits");
}

TEST_P(Layers, AdamOverTwentySteps) {
  const auto g = file.floats("adam.g");
  const auto keras = file.values("adam.p"), other = file.values("adam.other");
  const Shape shape{1, 1, 1, 40};
  const std::vector<float> zeros(40, 0.0f);
  const GuardedTensor p = given("adam.start"), m(backend(), shape, "m", zeros),
                      v(backend(), shape, "v", zeros);
  const GuardedTensor statistics(backend(), {1, 1, 1, 1}, "statistics"),
      saved(backend(), {1, 1, 1, 1}, "saved statistics");
  const OnDevice<StepReport> good(backend(), {{1.0, 0}});
  // A step moves a parameter by at most about 1e-3; parameters are below 0.03.
  constexpr double kTolerance = 1e-7;
  for (int64_t step = 0; step < 20; ++step) {
    const GuardedTensor gradient(backend(), shape, "g",
                                 {g.begin() + step * 40, g.begin() + (step + 1) * 40});
    const OnDevice<StepScalars> scalars(
        backend(), {{adam_step(step + 1, 1e-3, 0.9, 0.999, 1e-7, 0), uint32_t(step + 1)}});
    backend().update({p, gradient, m, v, statistics, saved, scalars.data(), good.data()});
    const std::vector<double> expected(keras.begin() + step * 40, keras.begin() + (step + 1) * 40);
    golden::expect_near(p.get(), expected, kTolerance, "parameters after Adam");
    // Epsilon inside the bias correction is another optimiser, and this test sees it.
    const std::vector<double> inside(other.begin() + step * 40, other.begin() + (step + 1) * 40);
    const auto got = p.get();
    double furthest = 0;
    for (size_t i = 0; i < inside.size(); ++i)
      furthest = std::max(furthest, std::abs(got[i] - inside[i]));
    EXPECT_GE(furthest, 1000 * kTolerance) << "step " << step + 1;
  }
}

}  // namespace
}  // namespace earshot
