// Every cuDNN graph of the nine networks has a plan on the H100 and the A100 of the JSON files,
// made with no GPU and no driver at hand. Says nothing of numbers, launches or speed.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "engine/cuda/convolution_graphs.h"
#include "models/networks.h"

namespace earshot {
namespace {

using cuda::Descriptor;
using cuda::PlanLimits;

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

TEST_P(Networks, EveryGraphHasAPlan) {
  const auto& [device_name, model, seconds] = GetParam();
  const Descriptor device = cuda::described_device(device_json(device_name));
  const std::string_view kind = model;
  std::vector<NetworkTable> trunks;
  if (kind != "spec") trunks.push_back(audio_table(seconds));
  if (kind != "audio") trunks.push_back(spec_table(seconds));
  for (const NetworkTable& trunk : trunks)
    for (const int64_t batch : {32, 1})
      for (const ConvolutionShape& s : convolutions(trunk, batch))
        for (const Precision precision : {Precision::kF32, Precision::kTf32})
          for (const bool deterministic : {false, true}) {
            const PlanLimits limits = cuda::convolution_limits(precision, deterministic);
            const cuda::ConvolutionPlans plans(s, {nullptr, &device}, limits, "test");
            for (const cuda::Plan* plan :
                 {&plans.forward, &plans.data_gradient, &plans.weight_gradient})
              EXPECT_LE(plan->workspace(), limits.workspace);
          }
}

constexpr Case kCases[] = {{"h100", "audio", 1}, {"h100", "audio", 2}, {"h100", "audio", 3},
                           {"h100", "spec", 1},  {"h100", "spec", 2},  {"h100", "spec", 3},
                           {"h100", "comb", 1},  {"h100", "comb", 2},  {"h100", "comb", 3},
                           {"a100", "audio", 1}, {"a100", "audio", 2}, {"a100", "audio", 3},
                           {"a100", "spec", 1},  {"a100", "spec", 2},  {"a100", "spec", 3},
                           {"a100", "comb", 1},  {"a100", "comb", 2},  {"a100", "comb", 3}};
INSTANTIATE_TEST_SUITE_P(All, Networks, testing::ValuesIn(kCases), name);

/// What is malformed must not get a plan, or the tests above prove nothing.
class Malformed : public testing::TestWithParam<const char*> {
 protected:
  void expect_error(const std::vector<Descriptor>& graph) {
    EXPECT_THROW(cuda::choose_plan(graph, {nullptr, &device_}, limits_, "test"), Error);
  }
  const ConvolutionShape shape_{32, 16, 10, 64, 128, 3, 3, 1, 1};
  const Descriptor device_ = cuda::described_device(device_json(GetParam()));
  const PlanLimits limits_ = cuda::convolution_limits(Precision::kTf32, false);
};

TEST_P(Malformed, AReluOfAnotherShape) {
  ConvolutionShape wider = shape_;
  wider.w = 11;
  auto graph = cuda::forward_graph(shape_);
  EXPECT_NO_THROW(cuda::choose_plan(graph, {nullptr, &device_}, limits_, "test"));
  graph.back() = std::move(cuda::forward_graph(wider).back());
  expect_error(graph);
}

TEST_P(Malformed, AMissingBias) {
  auto graph = cuda::forward_graph(shape_);
  graph.erase(graph.begin() + 1);
  expect_error(graph);
}

TEST_P(Malformed, OrALimitThatNoEngineMeets) {
  PlanLimits none = limits_;
  none.workspace = -1;
  EXPECT_THROW(cuda::choose_plan(cuda::forward_graph(shape_), {nullptr, &device_}, none, "test"),
               Error);
}

INSTANTIATE_TEST_SUITE_P(All, Malformed, testing::Values("h100", "a100"),
                         [](const auto& of) { return std::string(of.param); });

TEST(Description, OfADeviceMustBeWhole) {
  std::string json = device_json("h100");
  json.replace(json.find("warpSize"), 8, "warpsize");
  EXPECT_THROW(cuda::described_device(json), Error);
}

}  // namespace
}  // namespace earshot
