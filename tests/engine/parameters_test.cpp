#include "engine/parameters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/reference/values.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

using Kind = Parameters::Kind;

/// A convolution, a vector and a statistic, of sizes that need padding.
class ParametersTest : public testing::Test {
 protected:
  void declare(Parameters& p) {
    weight = p.declare("conv.weight", {32, 3, 3, 7}, Kind::kTrainable, {63, 288, 0});
    bias = p.declare("conv.bias", {1, 1, 1, 5}, Kind::kTrainable, {});
    gamma = p.declare("norm.gamma", {1, 1, 1, 17}, Kind::kTrainable, {0, 0, 1.0f});
    variance = p.declare("norm.variance", {1, 1, 1, 3}, Kind::kStatistic, {0, 0, 2.0f});
  }
  void SetUp() override {
    declare(parameters);
    parameters.allocate(*backend, /*trained=*/true);
  }
  /// Values, statistics and moments all random.
  Parameters::Snapshot random_snapshot() const {
    Parameters::Snapshot s = parameters.snapshot();
    uint32_t name = 1;
    for (auto* buffer : {&s.values, &s.statistics, &s.m, &s.v})
      *buffer = random_values(static_cast<int64_t>(buffer->size()), name++);
    return s;
  }
  std::vector<float> host(const Tensor& t) const {
    std::vector<float> values(static_cast<size_t>(t.shape.count()));
    backend->copy_to_host(values.data(), t);
    return values;
  }
  std::unique_ptr<Backend> backend = make_cpu_backend(2);
  Parameters parameters;
  int weight = -1, bias = -1, gamma = -1, variance = -1;
};

TEST_F(ParametersTest, CountsWithoutPadding) {
  EXPECT_EQ(parameters.trainable_count(), 32 * 9 * 7 + 5 + 17);
  EXPECT_GE(parameters.values().shape.count(), parameters.trainable_count());
}

TEST_F(ParametersTest, TensorsAreAlignedAndDoNotOverlap) {
  const Tensor all = parameters.values();
  const float* free_from = all.f32();
  for (const int id : {weight, bias, gamma}) {
    const Tensor t = parameters.value(id);
    EXPECT_EQ((t.f32() - all.f32()) % 16, 0) << t.name;
    EXPECT_GE(t.f32(), free_from) << t.name;
    free_from = t.f32() + t.shape.count();
    EXPECT_EQ(parameters.gradient(id).f32() - parameters.gradients().f32(), t.f32() - all.f32());
  }
  EXPECT_LE(free_from, all.f32() + all.shape.count());
  EXPECT_STREQ(parameters.value(gamma).name, "norm.gamma");
}

TEST_F(ParametersTest, StartAtZeroEverywhere) {
  for (const Tensor& t : {parameters.values(), parameters.gradients(), parameters.first_moments(),
                          parameters.second_moments()})
    EXPECT_EQ(host(t), std::vector<float>(static_cast<size_t>(t.shape.count()), 0.0f)) << t.name;
}

TEST_F(ParametersTest, DeclaringAgainFindsTheSame) {
  const size_t count = parameters.entries().size();
  declare(parameters);  // also after the memory exists
  EXPECT_EQ(parameters.entries().size(), count);
  EXPECT_EQ(bias, 1);
  const std::string error = error_of([&] {
    parameters.declare("conv.bias", {1, 1, 1, 6}, Kind::kTrainable, {});
  });
  EXPECT_TRUE(contains(error, "conv.bias")) << error;
  EXPECT_NE(error_of([&] {
              parameters.declare("conv.bias", {1, 1, 1, 5}, Kind::kStatistic, {});
            }),
            "no error");
  EXPECT_TRUE(contains(error_of([&] {
                         parameters.declare("late", {1, 1, 1, 1}, Kind::kTrainable, {});
                       }),
                       "late"));
}

TEST_F(ParametersTest, OnlyTrainedParametersHaveGradients) {
  EXPECT_TRUE(contains(error_of([&] { parameters.gradient(variance); }), "norm.variance"));
  Parameters frozen;
  declare(frozen);
  frozen.allocate(*backend, /*trained=*/false);
  EXPECT_TRUE(contains(error_of([&] { frozen.gradient(weight); }), "conv.weight"));
  EXPECT_LT(frozen.bytes(), parameters.bytes());
  EXPECT_TRUE(frozen.snapshot().m.empty());
}

TEST_F(ParametersTest, InitialValuesAreGlorotUniformOrConstant) {
  parameters.initialise(7);
  const std::vector<float> w = host(parameters.value(weight));
  const double limit = std::sqrt(6.0 / (63 + 288)), n = double(w.size());
  double sum = 0, squares = 0;
  for (const float x : w) {
    ASSERT_LE(std::abs(double(x)), limit);
    sum += double(x) / limit;
    squares += double(x) * double(x) / (limit * limit);
  }
  // Uniform in -1 .. 1: variance 1/3, variance of the square 4/45; six standard deviations.
  EXPECT_LE(std::abs(sum / n), 6 * std::sqrt(1 / (3 * n)));
  EXPECT_LE(std::abs(squares / n - 1.0 / 3), 6 * std::sqrt(4 / (45 * n)));
  EXPECT_EQ(host(parameters.value(bias)), std::vector<float>(5, 0.0f));
  EXPECT_EQ(host(parameters.value(gamma)), std::vector<float>(17, 1.0f));
  EXPECT_EQ(host(parameters.value(variance)), std::vector<float>(3, 2.0f));
}

TEST_F(ParametersTest, InitialValuesFollowTheSeed) {
  parameters.initialise(7);
  const std::vector<float> first = host(parameters.values());
  parameters.initialise(8);
  EXPECT_NE(host(parameters.values()), first);
  parameters.initialise(7);
  EXPECT_EQ(host(parameters.values()), first);
}

TEST_F(ParametersTest, SnapshotsComeBack) {
  const Parameters::Snapshot random = random_snapshot();
  parameters.restore(random);
  const Parameters::Snapshot again = parameters.snapshot();
  EXPECT_EQ(again.values, random.values);
  EXPECT_EQ(again.statistics, random.statistics);
  EXPECT_EQ(again.m, random.m);
  EXPECT_EQ(again.v, random.v);
}

TEST_F(ParametersTest, FilesCarryTensorsAndMoments) {
  const Parameters::Snapshot random = random_snapshot();
  const Scratch scratch;
  const fs::path path = scratch / "all.safetensors";
  auto entries = parameters.tensors(random, "audio.");
  for (auto& entry : parameters.moments(random)) entries.push_back(entry);
  write_safetensors(path, entries, {});
  const SafetensorsFile file(path);
  ASSERT_NE(file.find("audio.conv.weight"), nullptr);
  EXPECT_EQ(file.find("audio.conv.weight")->shape, (std::vector<int64_t>{32, 3, 3, 7}));
  EXPECT_EQ(file.find("audio.norm.gamma")->shape, (std::vector<int64_t>{17}));
  parameters.load(file, "audio.");
  parameters.load_moments(file);
  for (const int id : {weight, bias, gamma, variance}) {
    const Parameters::Entry& e = parameters.entries()[static_cast<size_t>(id)];
    const auto& from = e.kind == Kind::kTrainable ? random.values : random.statistics;
    EXPECT_EQ(
        host(parameters.value(id)),
        std::vector<float>(from.begin() + e.offset, from.begin() + e.offset + e.shape.count()))
        << e.name;
  }
  EXPECT_EQ(parameters.snapshot().m, random.m);
  EXPECT_EQ(parameters.snapshot().v, random.v);
}

TEST_F(ParametersTest, FilesThatDoNotFitAreNamedWithTheTensorAndChangeNothing) {
  const Parameters::Snapshot random = random_snapshot();
  const Scratch scratch;
  auto entries = parameters.tensors(random, "");
  entries[2].shape = {1, 17};
  write_safetensors(scratch / "shape.safetensors", entries, {});
  entries.erase(entries.begin() + 2);
  write_safetensors(scratch / "missing.safetensors", entries, {});
  for (const char* name : {"shape.safetensors", "missing.safetensors"}) {
    const SafetensorsFile file(scratch / name);
    const std::string error = error_of([&] { parameters.load(file, ""); });
    EXPECT_TRUE(contains(error, name) && contains(error, "norm.gamma")) << error;
    EXPECT_NE(error_of([&] { parameters.load_moments(file); }), "no error");
  }
  const std::vector<float> values = host(parameters.values());
  EXPECT_EQ(std::count(values.begin(), values.end(), 0.0f), int64_t(values.size()));
}

}  // namespace
}  // namespace earshot
