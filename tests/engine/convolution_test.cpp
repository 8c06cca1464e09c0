// Convolution + bias + ReLU + pool, forward and backward, against the double reference: kernels,
// channels and pools of all the paper's convolutions on small inputs, and odd ones.
#include <gtest/gtest.h>

#include <numeric>

#include "tests/engine/backend_fixture.h"
#include "tests/reference/reference.h"
#include "tests/reference/winograd_bound.h"

namespace earshot {

void PrintTo(const ConvolutionShape& s, std::ostream* out) {
  *out << fmt::format("{}x{}x{}x{} to {}, kernel {}x{}, pool {}x{}", s.n, s.h, s.w, s.c_in, s.c_out,
                      s.kernel_h, s.kernel_w, s.pool_h, s.pool_w);
}

namespace {

using reference::Cells;
using reference::Pooled;
using reference::Values;

// n h w c_in c_out kernel pool
const ConvolutionShape kShapes[] = {
    // Table 1
    {2, 1, 53, 1, 32, 1, 11, 1, 1},
    {2, 1, 53, 32, 32, 1, 11, 1, 8},
    {1, 1, 53, 32, 32, 1, 11, 1, 16},
    {1, 1, 37, 32, 64, 1, 9, 1, 1},
    {3, 1, 37, 64, 64, 1, 9, 1, 16},
    {1, 1, 21, 64, 128, 1, 7, 1, 1},
    {2, 1, 21, 128, 128, 1, 7, 1, 16},
    {1, 1, 21, 128, 256, 1, 5, 1, 1},
    {2, 1, 17, 256, 256, 1, 5, 1, 16},
    // Table 2
    {2, 9, 11, 1, 64, 4, 4, 1, 1},
    {1, 9, 11, 64, 64, 4, 4, 1, 1},
    {2, 9, 11, 64, 64, 4, 4, 2, 2},
    {1, 7, 10, 64, 128, 3, 3, 2, 4},
    {2, 5, 7, 128, 128, 3, 3, 2, 2},
    {1, 5, 5, 128, 256, 3, 3, 2, 2},
    {2, 4, 3, 256, 256, 3, 3, 2, 2},
    // Odd ones
    {1, 1, 1, 1, 1, 1, 1, 1, 1},
    {1, 3, 5, 1, 5, 4, 4, 1, 1},
    {5, 7, 9, 3, 5, 3, 3, 2, 3},
    {2, 6, 5, 5, 3, 2, 5, 3, 2},
    {1, 1, 4, 3, 17, 1, 11, 1, 1},  // a kernel longer than its input
    {2, 3, 4, 7, 100, 4, 4, 3, 4},
    // Enough tiles for minimal filtering on the CPU
    {2, 33, 35, 32, 32, 4, 4, 2, 2},
    {1, 33, 35, 32, 32, 3, 3, 1, 1},
    {1, 1, 300, 32, 32, 1, 11, 1, 16},
    {2, 1, 160, 32, 32, 1, 9, 1, 1},
};

/// Planned, with every tensor on the device inside guards.
struct ConvolutionTensors {
  ConvolutionTensors(Backend& device, const ConvolutionShape& shape, const ConvolutionUse& use = {})
      : s(shape), backend(device), plan(device.convolution(shape, use, "test")) {}

  const ConvolutionShape& s;
  Backend& backend;
  std::unique_ptr<Convolution> plan;
  GuardedTensor x{backend, s.x(), "x"}, weight{backend, s.weight(), "weight"};
  GuardedTensor bias{backend, {1, 1, 1, s.c_out}, "bias"};
  GuardedTensor y{backend, s.y(), "y"}, argmax{backend, s.y(), "argmax", DType::kU8};
  GuardedTensor dy{backend, s.y(), "dy"}, dx{backend, s.x(), "dx"};
  GuardedTensor dweight{backend, s.weight(), "dweight"};
  GuardedTensor dbias{backend, {1, 1, 1, s.c_out}, "dbias"};
  GuardedTensor forward_scratch{
      backend, {1, 1, 1, plan->forward_scratch()}, "forward scratch", DType::kU8};
  GuardedTensor backward_scratch{
      backend, {1, 1, 1, plan->backward_scratch()}, "backward scratch", DType::kU8};

  Tensor cells() const { return s.pooled() ? *argmax : Tensor{}; }
  void forward() { plan->forward({x, weight, bias, y, cells(), forward_scratch}); }
  void backward(const Tensor& to_dx) {
    plan->backward({x, weight, y, cells(), dy, to_dx, dweight, dbias, backward_scratch});
  }
};

class ConvolutionTest : public testing::TestWithParam<std::tuple<TestBackend, ConvolutionShape>> {
 protected:
  void fill(std::vector<float> (*values)(int64_t, uint32_t)) { fill(values, on); }
  void fill(std::vector<float> (*values)(int64_t, uint32_t), ConvolutionTensors& to) {
    x = values(s.x().count(), 1);
    weight = values(s.weight().count(), 2);
    bias = values(s.c_out, 3);
    to.x.set(x);
    to.weight.set(weight);
    to.bias.set(bias);
  }
  void forward_matches(ConvolutionTensors& planned);
  void backward_matches(ConvolutionTensors& planned);
  ConvolutionShape s = std::get<1>(GetParam());
  Precision precision = std::get<0>(GetParam()).precision;
  ConvolutionTensors on{open_backend(std::get<0>(GetParam())), s};
  std::vector<float> x, weight, bias;
  int64_t taps = s.kernel_h * s.kernel_w * s.c_in;
  /// Its tiles share their rounding (tests/reference/winograd_bound.h).
  static bool winograd(const ConvolutionTensors& planned) {
    return planned.plan->implementation().find("winograd") != std::string::npos;
  }
  bool winograd() const { return winograd(on); }
};

std::vector<float> smooth(int64_t count, uint32_t name) { return random_values(count, name); }

// Sums of coarse values are exact, so every value and every tie must be; not so behind transforms.
TEST_P(ConvolutionTest, ForwardOfCoarseValuesIsExact) {
  if (winograd()) GTEST_SKIP() << "minimal filtering rounds";
  fill(coarse_values);
  on.forward();
  const Pooled expected = reference::convolution(s, widen(x), widen(weight), widen(bias));
  expect_close(on.y.get(), expected.y, Values(expected.y.size(), 0.0), "exact y");
  if (s.pooled()) {
    EXPECT_EQ(on.argmax.get<uint8_t>(), expected.argmax);
  }
}

void ConvolutionTest::forward_matches(ConvolutionTensors& planned) {
  fill(smooth, planned);
  planned.forward();
  const Pooled expected = reference::convolution(s, widen(x), widen(weight), widen(bias));
  const Values ax = absolute(widen(x)), aw = absolute(widen(weight)), ab = absolute(widen(bias));
  const bool larger = planned.plan->implementation().find("larger tiles") != std::string::npos;
  const int64_t tile = !larger ? 4 : s.kernel_h == 1 ? 8 : 6;
  const Values sizes = !winograd(planned) ? reference::convolution(s, ax, aw, ab).y
                       : s.kernel_h == 1  ? reference::line_output_sizes(s, tile, ax, aw, ab)
                                          : reference::winograd_output_sizes(s, tile, ax, aw, ab);
  const int64_t terms = winograd(planned) ? reference::winograd_terms(s, tile, taps) : taps;
  expect_close(planned.y.get(), expected.y, product_rounding(precision, terms, sizes), "y");
}

TEST_P(ConvolutionTest, ForwardMatches) { forward_matches(on); }

TEST_P(ConvolutionTest, ForwardMatchesWhereNoGradientFollows) {
  ConvolutionTensors inference(on.backend, s, {Gradients::kNone});
  forward_matches(inference);
}

void ConvolutionTest::backward_matches(ConvolutionTensors& planned) {
  fill(smooth, planned);
  planned.forward();
  const Values y = widen(planned.y.get());
  // The winners that the engine chose; without a pool there is one cell a window.
  const Pooled saved{y, s.pooled() ? planned.argmax.get<uint8_t>() : Cells(y.size(), 0), {}};
  const std::vector<float> dy = random_values(s.y().count(), 4);
  planned.dy.set(dy);
  planned.backward(planned.dx);
  const auto expected =
      reference::convolution_backward(s, widen(x), widen(weight), saved, widen(dy));
  auto sizes = reference::convolution_backward(s, absolute(widen(x)), absolute(widen(weight)),
                                               saved, absolute(widen(dy)));
  if (winograd(planned) && s.kernel_h > 1) {  // gradients along one axis have no transforms
    const PoolShape pool{s.n, s.h, s.w, s.c_out, s.pool_h, s.pool_w};
    const Values ahead =
        reference::max_pool_relu_backward(pool, saved.y, saved.argmax, absolute(widen(dy)));
    const auto own =
        reference::winograd_gradient_sizes(s, absolute(widen(x)), absolute(widen(weight)), ahead);
    sizes.dx = own.dx;
    sizes.dweight = own.dweight;
  }
  const int64_t rows = s.y().rows();  // at most so many gradients meet in a weight
  expect_close(planned.dweight.get(), expected.dweight,
               product_rounding(precision, rows, sizes.dweight), "dweight");
  expect_close(planned.dbias.get(), expected.dbias, rounding(growth(rows), sizes.dbias), "dbias");
  expect_close(planned.dx.get(), expected.dx,
               product_rounding(precision, s.kernel_h * s.kernel_w * s.c_out, sizes.dx), "dx");
}

TEST_P(ConvolutionTest, BackwardMatchesFromTheSavedOutputs) { backward_matches(on); }

// Whichever of the two is faster here, both are right.
TEST_P(ConvolutionTest, BothBackwardsOfAPoolMatch) {
  if (!s.pooled()) GTEST_SKIP() << "no pool";
  for (const PooledBackward pooled : {PooledBackward::kDense, PooledBackward::kSparse}) {
    ConvolutionTensors other(on.backend, s, {Gradients::kWeightAndInput, pooled});
    backward_matches(other);
  }
}

TEST_P(ConvolutionTest, WithoutDxTheOtherGradientsAreTheSame) {
  fill(smooth);
  on.forward();
  const std::vector<float> dy = random_values(s.y().count(), 4);
  on.dy.set(dy);
  on.backward(on.dx);
  const std::vector<float> dweight = on.dweight.get(), dbias = on.dbias.get();
  on.dy.set(dy);  // it may have served as scratch
  on.dweight.set(std::vector<float>(dweight.size(), 7.0f));
  on.dbias.set(std::vector<float>(dbias.size(), 7.0f));
  on.backward(Tensor{});
  EXPECT_EQ(on.dweight.get(), dweight);
  EXPECT_EQ(on.dbias.get(), dbias);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvolutionTest,
                         testing::Combine(testing::ValuesIn(test_backends()),
                                          testing::ValuesIn(kShapes)),
                         [](const auto& of) {
                           const ConvolutionShape& c = std::get<1>(of.param);
                           return fmt::format("{}_n{}h{}w{}_c{}to{}_k{}x{}_p{}x{}",
                                              std::get<0>(of.param).name, c.n, c.h, c.w, c.c_in,
                                              c.c_out, c.kernel_h, c.kernel_w, c.pool_h, c.pool_w);
                         });

TEST(ConvolutionChoice, LargerTilesOnlyWithoutGradients) {
  Backend& cpu = open_backend({"cpu", Precision::kF32});
  for (const ConvolutionShape& s : {ConvolutionShape{2, 33, 35, 32, 32, 4, 4, 2, 2},
                                    ConvolutionShape{1, 1, 300, 32, 32, 1, 11, 1, 16}}) {
    const auto larger = [&](Gradients gradients) {
      const std::string name = cpu.convolution(s, {gradients}, "test")->implementation();
      return name.rfind("winograd", 0) == 0 && name.find("larger tiles") != std::string::npos;
    };
    EXPECT_TRUE(larger(Gradients::kNone));
    EXPECT_FALSE(larger(Gradients::kWeight));
  }
}

class ConvolutionErrors : public BackendTest {};

TEST_P(ConvolutionErrors, AShapeThatWasNotPlannedIsNamed) {
  const ConvolutionShape s{2, 4, 4, 3, 5, 3, 3, 1, 1};
  ConvolutionTensors on(backend(), s);
  GuardedTensor other(backend(), {1, 4, 4, 3}, "short x");
  try {
    on.plan->forward({other, on.weight, on.bias, on.y, Tensor{}, on.forward_scratch});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("short x"), std::string::npos) << error.what();
  }
}

EARSHOT_ALL_BACKENDS(ConvolutionErrors);

}  // namespace
}  // namespace earshot
