// Layers in a planned pass: what their modes do, and the errors that name them.
#include "engine/layer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/conv_block.h"
#include "engine/layers.h"
#include "tests/engine/backend_fixture.h"
#include "tests/reference/reference.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

using reference::Values;

/// A network over x of one shape with everything it needs.
class LayerTest : public BackendTest {
 protected:
  void plan(const Shape& x, std::vector<int64_t> batches, bool training = true) {
    Planner planner(arena, std::move(batches));
    planner.training = planner.wants_dx = training;
    network.plan(planner, x);
    arena.lay_out();
    if (!allocated) parameters.allocate(backend(), /*trained=*/true);
    allocated = true;
    parameters.initialise(1);
    memory = backend().allocate(arena.bytes(), "arena");
    network.bind({arena, memory.data()});
  }
  std::vector<float> host(const Tensor& t) const {
    std::vector<float> values(static_cast<size_t>(t.shape.count()));
    backend().copy_to_host(values.data(), t);
    return values;
  }
  std::vector<float> statistics() const { return parameters.snapshot().statistics; }

  Parameters parameters;
  Network network;
  ArenaPlan arena;
  DeviceMemory memory;
  bool allocated = false;
};

constexpr Shape kShape{6, 1, 5, 3};

reference::Normalised normalised(const std::vector<float>& x) {
  const Values zero(3, 0.0), one(3, 1.0);
  return reference::batch_norm_train({30, 3}, widen(x), {one, zero, zero, one, 0.99, 1e-3});
}

TEST_P(LayerTest, BatchNormUpdatesItsAveragesInTrainingAlone) {
  network.add(std::make_unique<BatchNorm>(backend(), parameters, "norm", 3, BatchNormOptions{}));
  plan(kShape, {6});
  const std::vector<float> values = random_values(kShape.count(), 1, 1, 3);
  GuardedTensor x(backend(), kShape, "x", values);
  const auto expected = normalised(values);
  const std::vector<double> tolerance = rounding(growth(30), Values(values.size(), 3 * 2 * 4));

  const std::vector<float> start = statistics();
  expect_close(host(network.forward(x, {Mode::kFrozenBatch})), expected.y, tolerance,
               "frozen with batch statistics");
  EXPECT_EQ(statistics(), start);

  Values by_averages = widen(values);  // mean 0, variance 1
  for (double& v : by_averages) v /= std::sqrt(1 + 1e-3);
  expect_close(host(network.forward(x, {Mode::kInference})), by_averages, tolerance, "inference");
  EXPECT_EQ(statistics(), start);

  expect_close(host(network.forward(x, {Mode::kTrain})), expected.y, tolerance, "training");
  const std::vector<float> moved = statistics();
  const std::vector<double> close = rounding(growth(30), Values(3, 3.0));
  const int64_t mean = parameters.entries()[2].offset, variance = parameters.entries()[3].offset;
  expect_close(std::span(moved).subspan(size_t(mean), 3), expected.moving_mean, close,
               "moving mean");
  expect_close(std::span(moved).subspan(size_t(variance), 3), expected.moving_variance, close,
               "moving variance");
}

TEST_P(LayerTest, DropoutDropsInTrainingAlone) {
  network.add(std::make_unique<DropoutLayer>(backend(), "dropout", 0.5f, 3));
  plan({40, 1, 1, 25}, {40});
  const std::vector<float> values = random_values(1000, 1, 1, 2);
  GuardedTensor x(backend(), {40, 1, 1, 25}, "x", values);
  const OnDevice<StepScalars> two(backend(), {{{}, 2}}), three(backend(), {{{}, 3}});
  EXPECT_EQ(host(network.forward(x, {Mode::kInference, 1})), values);
  const std::vector<float> y = host(network.forward(x, {Mode::kTrain, 1, two.data()}));
  const std::vector<float> dx = host(network.backward(x));  // dy = x: the same mask
  EXPECT_EQ(dx, y);
  EXPECT_NE(y, values);
  EXPECT_NE(host(network.forward(x, {Mode::kTrain, 1, three.data()})), y);
}

TEST_P(LayerTest, DenseFlattensItsInputAndNamesItself) {
  network.add(std::make_unique<Dense>(backend(), parameters, "top", 15, 4, Activation::kRelu));
  plan(kShape, {6});
  GuardedTensor x(backend(), kShape, "x", random_values(kShape.count(), 1));
  const Tensor y = network.forward(x, {});
  EXPECT_EQ(y.shape, (Shape{6, 1, 1, 4}));
  const Tensor dx = network.backward(y);
  EXPECT_EQ(dx.shape, kShape);
  network.add(std::make_unique<Dense>(backend(), parameters, "top", 15, 4, Activation::kRelu));
  const std::string error = error_of([&] { plan(kShape, {6}); });  // 4 features reach 15
  EXPECT_TRUE(contains(error, "top") && contains(error, "15")) << error;
}

const BlockRow kBlock{{{3, 3, 5}, {3, 3, 4}}, 2, 4};

TEST_P(LayerTest, BlocksRunEveryPlannedBatchAndNoOther) {
  network.add(std::make_unique<ConvBlock>(backend(), parameters, "block", kBlock, 3));
  plan({4, 6, 9, 3}, {4, 2});
  GuardedTensor x(backend(), {4, 6, 9, 3}, "x", random_values(4 * 6 * 9 * 3, 1));
  const std::vector<float> all = host(network.forward(x, {Mode::kTrain}));
  const Tensor part = network.forward((*x).first(2), {Mode::kTrain});
  EXPECT_EQ(part.shape, (Shape{2, 3, 2, 4}));
  const Values exact = widen({all.begin(), all.begin() + part.shape.count()});
  expect_close(host(part), exact, rounding_of_largest(growth(9 * 5), exact), "two of four");
  const std::string error = error_of([&] { network.forward((*x).first(3), {Mode::kTrain}); });
  EXPECT_TRUE(contains(error, "block.conv1") && contains(error, "3")) << error;
}

TEST_P(LayerTest, ABlockWhoseInputIsSmallerThanItsPoolIsNamed) {
  network.add(std::make_unique<ConvBlock>(backend(), parameters, "block", kBlock, 3));
  const std::string error = error_of([&] { plan({1, 6, 3, 3}, {1}); });
  EXPECT_TRUE(contains(error, "block.conv2") && contains(error, "2x4")) << error;
}

// Without a backward pass a norm needs no memory of its own, and its input must outlive it.
TEST_P(LayerTest, InferenceNormalisesOverItsInput) {
  const Shape shape{2, 6, 9, 3};
  const auto build = [&](bool training) {
    network = {};
    arena = {};
    network.add(std::make_unique<ConvBlock>(backend(), parameters, "block", kBlock, 3));
    network.add(std::make_unique<BatchNorm>(backend(), parameters, "norm", 4, BatchNormOptions{}));
    network.add(std::make_unique<Dense>(backend(), parameters, "top", 24, 5, Activation::kNone));
    plan(shape, {2}, training);
  };
  GuardedTensor x(backend(), shape, "x", random_values(shape.count(), 1));
  const auto find = [&](const std::string& name) {
    return std::find_if(arena.entries().begin(), arena.entries().end(),
                        [&](const ArenaPlan::Entry& entry) { return entry.name == name; });
  };
  const auto has_own = [&](const std::string& name) { return find(name) != arena.entries().end(); };
  build(true);
  EXPECT_TRUE(has_own("norm.y"));
  EXPECT_TRUE(has_own("block.conv2.argmax"));
  const std::vector<float> expected = host(network.forward(x, {Mode::kInference}));
  const int64_t trained = arena.bytes();
  build(false);
  EXPECT_FALSE(has_own("norm.y"));
  EXPECT_FALSE(has_own("block.conv2.argmax"));
  EXPECT_LT(arena.bytes(), trained);
  EXPECT_TRUE(find("block.conv2.y")->lifetime.overlaps(find("top.y")->lifetime));
  EXPECT_EQ(host(network.forward(x, {Mode::kInference})), expected);
  // Nothing of the wrong size or age is written over.
  ArenaPlan other;
  Planner planner(other, {2});
  planner.advance();
  planner.output("y", shape);
  EXPECT_EQ(planner.over_input(shape, DType::kF32), -1) << "of this layer";
  planner.advance();
  EXPECT_EQ(planner.over_input({2, 6, 9, 4}, DType::kF32), -1);
  EXPECT_EQ(planner.over_input(shape, DType::kBf16), -1);
  planner.advance();
  EXPECT_EQ(planner.over_input(shape, DType::kF32), -1) << "of the layer before the last";
}

TEST_P(LayerTest, WorkIsCounted) {
  ConvBlock block(backend(), parameters, "block", kBlock, 3);
  Planner planner(arena, {2});
  planner.training = true;
  block.plan(planner, {2, 6, 9, 3});
  const double first = 2.0 * 6 * 9 * 5 * 9 * 3, second = 2.0 * 6 * 9 * 4 * 9 * 5;
  const std::vector<LayerWork> one = block.work(1), two = block.work(2);
  ASSERT_EQ(one.size(), 2u);
  EXPECT_EQ(one[1].name, "block.conv2");
  EXPECT_EQ(one[0].forward.flops, first);
  EXPECT_EQ(two[1].forward.flops, 2 * second);
  EXPECT_EQ(one[0].backward.flops, first);  // no dx for the input
  EXPECT_EQ(one[1].backward.dense_flops, 2 * second);
  EXPECT_EQ(one[1].backward.flops, 2 * second / 8);  // the winners of 2x4 cells
  // Reads x and the weights, writes y and its argmax.
  EXPECT_EQ(one[1].forward.bytes, 4 * (6 * 9 * 5 + 4 * 9 * 5) + 5 * (3 * 2 * 4));
  Dense dense(backend(), parameters, "top", 10, 4, Activation::kNone);
  EXPECT_EQ(dense.work(3).front().forward.flops, 3 * 2.0 * 10 * 4);
}

EARSHOT_ALL_BACKENDS(LayerTest);

}  // namespace
}  // namespace earshot
