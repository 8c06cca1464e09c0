// Convolutions with bf16 activations against the double reference: on a GPU, and on the CPU in the
// form that tests of whole networks use. Factors are what bf16 can store, so only sums round, and
// results where they are stored.
#include <gtest/gtest.h>

#include "tests/engine/backend_fixture.h"
#include "tests/engine/bf16_backend.h"
#include "tests/kernels/stored.h"
#include "tests/reference/reference.h"

namespace earshot {
namespace {

using reference::Cells;
using reference::Pooled;
using reference::Values;

/// A backend that computes in bf16 until the end of the scope.
class InBf16 {
 public:
  InBf16() { backend_->set_numerics({Precision::kBf16, true}); }
  ~InBf16() { backend_->set_numerics({}); }
  InBf16(const InBf16&) = delete;
  InBf16& operator=(const InBf16&) = delete;
  Backend& operator*() const { return *backend_; }

 private:
  Bf16Backend own_;
  Backend* backend_ = test_on_gpu() ? test_gpu().backend : &own_;
};

/// Random values that bf16 can store.
std::vector<float> values_of(const Shape& shape, uint32_t name) {
  return representable<Bf16>(random_values(shape.count(), name));
}

struct Bf16Tensor : GuardedTensor {
  Bf16Tensor(Backend& backend, const Shape& shape, const char* name)
      : GuardedTensor(backend, shape, name, DType::kBf16), backend_(backend) {}
  void set(const std::vector<float>& values) const {
    backend_.copy_to_device(**this, stored<Bf16>(values).data());
  }
  std::vector<float> get() const { return loaded(GuardedTensor::get<Bf16>()); }

 private:
  Backend& backend_;
};

class Bf16Convolutions : public testing::TestWithParam<ConvolutionShape> {
 protected:
  ConvolutionShape s = GetParam();
  InBf16 scope;
  Backend& backend = *scope;
  std::unique_ptr<Convolution> plan = backend.convolution(s, {}, "test");
  std::vector<float> x_values = values_of(s.x(), 1), weight_values = values_of(s.weight(), 2),
                     bias_values = values_of({1, 1, 1, s.c_out}, 3),
                     dy_values = values_of(s.y(), 4);
  Bf16Tensor x{backend, s.x(), "x"}, weight{backend, s.weight(), "weight"};
  Bf16Tensor bias{backend, {1, 1, 1, s.c_out}, "bias"}, y{backend, s.y(), "y"};
  Bf16Tensor dy{backend, s.y(), "dy"}, dx{backend, s.x(), "dx"};
  GuardedTensor wide_x{backend, s.x(), "float32 x", x_values};
  GuardedTensor argmax{backend, s.y(), "argmax", DType::kU8};
  GuardedTensor dweight{backend, s.weight(), "dweight"},
      dbias{backend, {1, 1, 1, s.c_out}, "dbias"};
  GuardedTensor forward_scratch{
      backend, {1, 1, 1, plan->forward_scratch()}, "forward scratch", DType::kU8};
  GuardedTensor backward_scratch{
      backend, {1, 1, 1, plan->backward_scratch()}, "backward scratch", DType::kU8};

  void SetUp() override {
    x.set(x_values);
    weight.set(weight_values);
    bias.set(bias_values);
    dy.set(dy_values);
  }
  Tensor cells() const { return s.pooled() ? *argmax : Tensor{}; }
  void forward(const Tensor& from) {
    plan->forward({from, weight, bias, y, cells(), forward_scratch});
  }
};

TEST_P(Bf16Convolutions, ForwardMatchesAlsoFromAFloat32Input) {
  forward(x);
  const Values exact = widen(x_values), w = widen(weight_values), b = widen(bias_values);
  const Pooled expected = reference::convolution(s, exact, w, b);
  const Values sizes = reference::convolution(s, absolute(exact), absolute(w), absolute(b)).y;
  const int64_t taps = s.kernel_h * s.kernel_w * s.c_in;
  expect_close(y.get(), expected.y, stored_as_bf16(rounding(growth(taps), sizes), expected.y), "y");
  const std::vector<float> first = y.get();
  forward(wide_x);
  EXPECT_EQ(y.get(), first);
}

TEST_P(Bf16Convolutions, BackwardMatchesFromTheSavedOutputs) {
  forward(x);
  const Values outputs = widen(y.get());
  const Pooled saved{outputs, s.pooled() ? argmax.get<uint8_t>() : Cells(outputs.size(), 0), {}};
  plan->backward({x, weight, y, cells(), dy, dx, dweight, dbias, backward_scratch});
  const Values exact = widen(x_values), w = widen(weight_values), g = widen(dy_values);
  const auto expected = reference::convolution_backward(s, exact, w, saved, g);
  const auto sizes =
      reference::convolution_backward(s, absolute(exact), absolute(w), saved, absolute(g));
  const double sums = growth(s.y().rows());
  // A device without a float32 output for it rounds a weight's gradient once.
  expect_close(dweight.get(), expected.dweight,
               stored_as_bf16(rounding(sums, sizes.dweight), expected.dweight), "dweight");
  expect_close(dbias.get(), expected.dbias, rounding(sums, sizes.dbias), "dbias");
  const double taps = growth(s.kernel_h * s.kernel_w * s.c_out);
  expect_close(dx.get(), expected.dx, stored_as_bf16(rounding(taps, sizes.dx), expected.dx), "dx");
}

TEST_P(Bf16Convolutions, WinnersOnlyIsRefusedOnAGpu) {
  if (!test_on_gpu() || !s.pooled()) GTEST_SKIP() << "there is nothing to refuse";
  const ConvolutionUse use{Gradients::kWeightAndInput, PooledBackward::kSparse};
  EXPECT_THROW(backend.convolution(s, use, "test"), UsageError);
}

// n h w c_in c_out kernel pool
INSTANTIATE_TEST_SUITE_P(Shapes, Bf16Convolutions,
                         testing::Values(ConvolutionShape{2, 1, 53, 1, 32, 1, 11, 1, 1},
                                         ConvolutionShape{2, 1, 53, 32, 32, 1, 11, 1, 8},
                                         ConvolutionShape{3, 1, 37, 64, 64, 1, 9, 1, 16},
                                         ConvolutionShape{2, 9, 11, 1, 64, 4, 4, 1, 1},
                                         ConvolutionShape{2, 9, 11, 64, 64, 4, 4, 2, 2},
                                         ConvolutionShape{1, 7, 10, 64, 128, 3, 3, 2, 4}),
                         [](const auto& of) {
                           return fmt::format("{}_{}", test_on_gpu() ? "cuda_bf16" : "widened",
                                              of.index);
                         });

}  // namespace
}  // namespace earshot
