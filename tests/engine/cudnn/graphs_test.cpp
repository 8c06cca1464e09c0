// Every cuDNN graph of the nine networks has a plan on the H100 and the A100 of the JSON files,
// made with no GPU and no driver at hand. Says nothing of numbers, launches or speed.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "engine/cuda/convolution_graphs.h"
#include "models/networks.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

using cuda::ConvolutionRequest;
using cuda::Descriptor;
using cuda::PlanLimits;

const cuda::PlanEnvironment kNowhere{"described", 90, 13000, 90800};

std::string device_json(const std::string& device) {
  std::ifstream file(std::string(EARSHOT_SOURCE) + "/tests/engine/cudnn/" + device + ".json");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The convolutions of a network as its blocks plan them.
std::vector<ConvolutionShape> convolutions(const NetworkTable& table, int64_t n) {
  std::vector<ConvolutionShape> shapes;
  Shape x = table.input;
  x.n = n;
  for (const BlockRow& block : table.blocks)
    for (size_t i = 0; i < block.convolutions.size(); ++i) {
      const auto& conv = block.convolutions[i];
      const bool last = i + 1 == block.convolutions.size();
      shapes.push_back({x.n, x.h, x.w, x.c, conv.channels, conv.kernel_h, conv.kernel_w,
                        last ? block.pool_h : 1, last ? block.pool_w : 1});
      x = shapes.back().y();
    }
  return shapes;
}

struct Case {
  const char* device;
  const char* model;
  int seconds;
};
std::string name(const testing::TestParamInfo<Case>& of) {
  return fmt::format("{}_{}_{}s", of.param.device, of.param.model, of.param.seconds);
}

class Networks : public testing::TestWithParam<Case> {};

// With deterministic engines alone: without that condition there are the same and more. The joined
// network only ever runs its trunks forward.
TEST_P(Networks, EveryGraphHasAPlan) {
  const auto& [device_name, model, seconds] = GetParam();
  const Descriptor device = cuda::described_device(device_json(device_name));
  const std::string_view kind = model;
  std::vector<NetworkTable> trunks;
  if (kind != "spec") trunks.push_back(audio_table(seconds));
  if (kind != "audio") trunks.push_back(spec_table(seconds));
  const ConvolutionUse use{kind == "comb" ? Gradients::kNone : Gradients::kWeightAndInput};
  for (const Precision precision : {Precision::kF32, Precision::kTf32, Precision::kBf16})
    for (const NetworkTable& trunk : trunks)
      for (const int64_t batch : {32, 1})
        for (const ConvolutionShape& s : convolutions(trunk, batch)) {
          const ConvolutionRequest request{s, use, {precision, true}, "test"};
          cuda::PlanChoices choices(kNowhere, {});
          const auto plans = cuda::plan_convolution(request, {nullptr, &device}, choices, {});
          const int64_t most = cuda::convolution_limits(request.numerics).workspace;
          EXPECT_LE(plans.forward.workspace(), most);
          EXPECT_EQ(plans.weight_gradient.has_value(), kind != "comb");
          EXPECT_EQ(plans.data_gradient.has_value(), kind != "comb");
          for (const auto* plan : {&plans.weight_gradient, &plans.data_gradient})
            EXPECT_LE(*plan ? (*plan)->workspace() : 0, most);
        }
}

constexpr Case kCases[] = {{"h100", "audio", 1}, {"h100", "audio", 2}, {"h100", "audio", 3},
                           {"h100", "spec", 1},  {"h100", "spec", 2},  {"h100", "spec", 3},
                           {"h100", "comb", 1},  {"h100", "comb", 2},  {"h100", "comb", 3},
                           {"a100", "audio", 1}, {"a100", "audio", 2}, {"a100", "audio", 3},
                           {"a100", "spec", 1},  {"a100", "spec", 2},  {"a100", "spec", 3},
                           {"a100", "comb", 1},  {"a100", "comb", 2},  {"a100", "comb", 3}};
INSTANTIATE_TEST_SUITE_P(All, Networks, testing::ValuesIn(kCases), name);

constexpr ConvolutionShape kShape{32, 16, 10, 64, 128, 3, 3, 1, 1};

class Described : public testing::TestWithParam<const char*> {
 protected:
  const Descriptor device_ = cuda::described_device(device_json(GetParam()));
  const cuda::PlanTarget target_{nullptr, &device_};
};

class Candidates : public Described {};

TEST_P(Candidates, KeepTheLimitsAndHaveNamesOfTheirOwn) {
  int fewer = 0;
  for (const Precision precision : {Precision::kF32, Precision::kTf32, Precision::kBf16}) {
    const DType type = precision == Precision::kBf16 ? DType::kBf16 : DType::kF32;
    PlanLimits limits = cuda::convolution_limits({precision, true});
    const auto graph = cuda::weight_gradient_graph(kShape, type);
    const auto count_of_plans = [&] {
      const auto found = cuda::candidates(graph, target_, limits);
      std::set<std::string> names;
      size_t plans = 0;
      for (const cuda::Candidate& candidate : found) {
        names.insert(candidate.name);
        const auto plan = cuda::try_plan(candidate, target_, limits);
        if (!plan) continue;
        ++plans;
        EXPECT_EQ(plan->name(), candidate.name);
        EXPECT_LE(plan->workspace(), limits.workspace);
      }
      EXPECT_EQ(names.size(), found.size());
      return plans;
    };
    const size_t deterministic = count_of_plans();
    EXPECT_GT(deterministic, 1u) << "nothing to choose among";
    limits.deterministic = false;
    const size_t all = count_of_plans();
    EXPECT_GE(all, deterministic);
    EXPECT_TRUE(precision != Precision::kF32 || all > deterministic) << "the limit limits nothing";
    limits.workspace = 0;
    const size_t frugal = count_of_plans();
    limits.workspace = -1;
    EXPECT_EQ(count_of_plans(), 0u);
    fewer += frugal < all;
  }
  EXPECT_GT(fewer, 0) << "no plan wants workspace";
}

// The times are given: the more workspace the faster; the choice outlives the process.
TEST_P(Candidates, TheFastestIsTakenAndKept) {
  const Scratch folder;
  const ConvolutionRequest request{kShape, {}, {Precision::kTf32, true}, "test"};
  int timed = 0;
  int64_t most = -1;
  const cuda::PlanTrials by_workspace = [&](const std::vector<cuda::BufferNeed>& buffers) {
    for (const cuda::BufferNeed& buffer : buffers) EXPECT_GT(buffer.bytes, 0) << buffer.uid;
    return [&](const cuda::Plan& plan) {
      ++timed;
      most = std::max(most, plan.workspace());
      return 1.0 / double(1 + plan.workspace());
    };
  };
  cuda::PlanChoices choices(kNowhere, folder / "plans.json");
  const auto plans = cuda::plan_convolution(request, target_, choices, by_workspace);
  EXPECT_GT(timed, 3);
  EXPECT_EQ(std::max({plans.forward.workspace(), plans.weight_gradient->workspace(),
                      plans.data_gradient->workspace()}),
            most);
  const int before = timed;
  cuda::PlanChoices later(kNowhere, folder / "plans.json");
  const auto again = cuda::plan_convolution(request, target_, later, by_workspace);
  EXPECT_EQ(timed, before);
  EXPECT_EQ(again.forward.name(), plans.forward.name());
  EXPECT_EQ(again.data_gradient->name(), plans.data_gradient->name());
  EXPECT_EQ(again.weight_gradient->name(), plans.weight_gradient->name());
}

TEST(PlanKeys, NameEverythingThatATimeDependsOn) {
  std::set<std::string> keys;
  const auto add = [&](const ConvolutionShape& s, const Numerics& numerics, const char* what) {
    keys.insert(ConvolutionRequest{s, {}, numerics, "any layer"}.key(what));
  };
  constexpr int64_t ConvolutionShape::*kMembers[] = {
      &ConvolutionShape::n,        &ConvolutionShape::h,      &ConvolutionShape::w,
      &ConvolutionShape::c_in,     &ConvolutionShape::c_out,  &ConvolutionShape::kernel_h,
      &ConvolutionShape::kernel_w, &ConvolutionShape::pool_h, &ConvolutionShape::pool_w};
  add(kShape, {}, "forward");
  for (const auto member : kMembers) {
    ConvolutionShape other = kShape;
    other.*member += 100;
    add(other, {}, "forward");
  }
  add(kShape, {}, "backward");
  add(kShape, {Precision::kTf32, true}, "forward");
  add(kShape, {Precision::kBf16, true}, "forward");
  add(kShape, {Precision::kF32, false}, "forward");
  EXPECT_EQ(keys.size(), 1 + std::size(kMembers) + 4);
}

/// What is malformed must not get a plan, or the tests above prove nothing.
class Malformed : public Described {
 protected:
  size_t plans(const std::vector<Descriptor>& graph, const PlanLimits& limits) const {
    size_t count = 0;
    for (const cuda::Candidate& candidate : cuda::candidates(graph, target_, limits))
      count += cuda::try_plan(candidate, target_, limits).has_value();
    return count;
  }
  /// By an error, or by having no plan.
  bool refused(const std::vector<Descriptor>& graph) const {
    try {
      return plans(graph, limits_) == 0;
    } catch (const Error&) {
      return true;
    }
  }
  const PlanLimits limits_ = cuda::convolution_limits({Precision::kTf32, false});
};

TEST_P(Malformed, AReluOfAnotherShape) {
  ConvolutionShape wider = kShape;
  wider.w = 11;
  for (const DType type : {DType::kF32, DType::kBf16}) {
    auto graph = cuda::forward_graph(kShape, type);
    EXPECT_FALSE(refused(graph));
    graph.back() = std::move(cuda::forward_graph(wider, type).back());
    EXPECT_TRUE(refused(graph));
  }
}

TEST_P(Malformed, AMissingBias) {
  auto graph = cuda::forward_graph(kShape, DType::kF32);
  graph.erase(graph.begin() + 1);
  EXPECT_TRUE(refused(graph));
}

TEST_P(Malformed, TensorsOfTwoTypes) {
  auto graph = cuda::forward_graph(kShape, DType::kF32);
  graph.front() = std::move(cuda::forward_graph(kShape, DType::kBf16).front());
  EXPECT_TRUE(refused(graph));
}

TEST_P(Malformed, OrALimitThatNoEngineMeets) {
  PlanLimits none = limits_;
  none.workspace = -1;
  EXPECT_EQ(plans(cuda::forward_graph(kShape, DType::kF32), none), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, Candidates, testing::Values("h100", "a100"),
                         [](const auto& of) { return std::string(of.param); });
INSTANTIATE_TEST_SUITE_P(All, Malformed, testing::Values("h100", "a100"),
                         [](const auto& of) { return std::string(of.param); });

TEST(Description, IsReadAsItWasWritten) {
  for (const char* device : {"h100", "a100"}) {
    const std::string once = cuda::description(cuda::described_device(device_json(device)));
    EXPECT_EQ(nlohmann::json::parse(once), nlohmann::json::parse(device_json(device)));
    EXPECT_EQ(cuda::description(cuda::described_device(once)), once);
  }
}

TEST(Description, OfADeviceMustBeWhole) {
  std::string json = device_json("h100");
  json.replace(json.find("warpSize"), 8, "warpsize");
  EXPECT_THROW(cuda::described_device(json), Error);
}

}  // namespace
}  // namespace earshot
