// Whole networks against the double reference: logits, loss, statistics and every gradient.
#include "models/tagger.h"

#include <algorithm>
#include <cmath>

#include "tests/models/pass_fixture.h"
#include "tests/reference/compare.h"

namespace earshot {
namespace {

using reference::Named;
using reference::PassResult;
using reference::Values;

constexpr int64_t kExamples = 3;

std::string prefix_of(const Tagger& tagger) {
  return tagger.kind() == ModelKind::kComb ? "head." : "";
}

/// What float32 may differ by: the most that the disturbed pass differs by, and the rounding of the
/// result itself.
Values tolerance_of(const Values& exact, const Values& disturbed) {
  double largest = 0;
  for (size_t i = 0; i < exact.size(); ++i)
    largest = std::max(largest, std::abs(exact[i] - disturbed[i]));
  Values tolerance = rounding_of_largest(growth(1), exact);
  for (double& x : tolerance) x += largest;
  return tolerance;
}

/// Logits, loss, all tensors after the pass and all gradients of `actual`.
void expect_results(const Tagger& tagger, const Named& before, const FloatInputs& inputs, Mode mode,
                    const BoundPass::Results& actual) {
  const auto run = [&](reference::Network::Arithmetic arithmetic) {
    return reference::run_pass(tagger, before, inputs.exact(), mode, actual.decisions, arithmetic);
  };
  const PassResult exact = run(reference::Network::Arithmetic::kExact);
  const PassResult disturbed = run(reference::Network::Arithmetic::kDisturbed);
  expect_close(actual.logits, exact.logits, tolerance_of(exact.logits, disturbed.logits), "logits");
  expect_close(actual.loss, exact.loss.loss, tolerance_of(exact.loss.loss, disturbed.loss.loss),
               "loss");
  const Named after = reference::tensors_of(tagger);
  EXPECT_EQ(after.size(), exact.statistics.size());
  for (const auto& [name, values] : after) {
    const Values& expected = exact.statistics.at(name);
    expect_close(values, expected, tolerance_of(expected, disturbed.statistics.at(name)), name);
  }
  size_t compared = 0;
  for (const Parameters::Entry& entry : tagger.trainable().entries()) {
    if (entry.kind != Parameters::Kind::kTrainable || mode != Mode::kTrain) continue;
    const std::string name = prefix_of(tagger) + entry.name;
    const Values &expected = exact.gradients.at(name), &last_sum = exact.rounding.at(name);
    Values tolerance = tolerance_of(expected, disturbed.gradients.at(name));
    for (size_t i = 0; i < tolerance.size(); ++i) tolerance[i] += last_sum[i];
    expect_close(
        std::span(actual.gradients).subspan(size_t(entry.offset), size_t(entry.shape.count())),
        expected, tolerance, "d" + name);
    ++compared;
  }
  EXPECT_EQ(compared, exact.gradients.size());
}

class WholeNetwork : public TaggerTest {
 protected:
  using TaggerTest::TaggerTest;
  void expect_training_step() {
    if (std::get<0>(GetParam()).precision == Precision::kBf16)
      GTEST_SKIP() << "so few examples amplify the rounding of bf16 beyond any bound";
    const FloatInputs inputs(kExamples);
    const Named before = reference::tensors_of(tagger);
    const auto actual = BoundPass(tagger, /*training=*/true, {kExamples}, kNans).train(inputs);
    expect_results(tagger, before, inputs, Mode::kTrain, actual);
  }
  void expect_inference() {
    const FloatInputs inputs(kExamples);
    const auto actual = BoundPass(tagger, /*training=*/false, {kExamples}, kNans).infer(inputs);
    expect_results(tagger, reference::tensors_of(tagger), inputs, Mode::kInference, actual);
  }
};

TEST_P(WholeNetwork, TrainingStepMatchesTheReference) { expect_training_step(); }
TEST_P(WholeNetwork, InferenceMatchesTheReference) { expect_inference(); }

INSTANTIATE_TEST_SUITE_P(Kinds, WholeNetwork,
                         tagger_cases({ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb}),
                         case_name);

/// With the options that change what is computed: dropout, and trunks that normalise by the batch.
Config optional_config() {
  Config config = small_config();
  config.dropout = 0.4;
  config.head.trunk_batch_norm = HeadSettings::TrunkBatchNorm::kBatch;
  return config;
}
class WithOptions : public WholeNetwork {
 protected:
  WithOptions() : WholeNetwork(optional_config()) {}
};

TEST_P(WithOptions, TrainingStepMatchesTheReference) { expect_training_step(); }
TEST_P(WithOptions, InferenceIgnoresThem) { expect_inference(); }

INSTANTIATE_TEST_SUITE_P(Kinds, WithOptions, tagger_cases({ModelKind::kAudio, ModelKind::kComb}),
                         case_name);

}  // namespace
}  // namespace earshot
