// Whole networks against the double reference: logits, loss, statistics and every gradient.
#include "models/tagger.h"

#include "tests/models/pass_fixture.h"
#include "tests/reference/compare.h"

namespace earshot {
namespace {

using reference::Named;
using reference::PassResult;
using reference::Values;

constexpr int64_t kBatch = 3;

std::string prefix_of(const Tagger& tagger) {
  return tagger.kind() == ModelKind::kComb ? "head." : "";
}

void expect_results(const Tagger& tagger, const BoundPass::Results& actual,
                    const PassResult& expected) {
  expect_close(actual.logits, expected.logits,
               rounding_of_largest(expected.forward_growth, expected.logits), "logits");
  expect_close(actual.loss, expected.loss.loss,
               rounding_of_largest(expected.forward_growth, expected.loss.loss), "loss");
  for (const auto& [name, values] : reference::tensors_of(tagger)) {
    const Values& after = expected.statistics.at(name);
    std::vector<float> floats(values.begin(), values.end());
    expect_close(floats, after, rounding_of_largest(expected.forward_growth, after), name);
  }
}

void expect_gradients(const Tagger& tagger, const std::vector<float>& gradients,
                      const PassResult& expected) {
  size_t compared = 0;
  for (const Parameters::Entry& entry : tagger.trainable().entries()) {
    if (entry.kind != Parameters::Kind::kTrainable) continue;
    const Values& exact = expected.gradients.at(prefix_of(tagger) + entry.name);
    const std::span<const float> actual(gradients.data() + entry.offset,
                                        static_cast<size_t>(entry.shape.count()));
    Values tolerance = rounding_of_largest(expected.growth, exact);
    const Values& last_sum = expected.rounding.at(prefix_of(tagger) + entry.name);
    for (size_t i = 0; i < tolerance.size(); ++i) tolerance[i] += last_sum[i];
    expect_close(actual, exact, tolerance, "d" + entry.name);
    ++compared;
  }
  EXPECT_EQ(compared, expected.gradients.size());
}

class WholeNetwork : public TaggerTest {};

TEST_P(WholeNetwork, TrainingStepMatchesTheReference) {
  const FloatInputs inputs(kBatch);
  const Named before = reference::tensors_of(tagger);
  const auto actual = BoundPass(tagger, /*training=*/true, {kBatch}, kNans).train(inputs);
  const PassResult expected =
      reference::run_pass(tagger, before, inputs.exact(), Mode::kTrain, actual.decisions);
  expect_results(tagger, actual, expected);
  expect_gradients(tagger, actual.gradients, expected);
}

TEST_P(WholeNetwork, InferenceMatchesTheReference) {
  const FloatInputs inputs(kBatch);
  const PassResult expected = reference::run_pass(tagger, reference::tensors_of(tagger),
                                                  inputs.exact(), Mode::kInference);
  const auto actual = BoundPass(tagger, /*training=*/false, {kBatch}, kNans).infer(inputs);
  expect_results(tagger, actual, expected);
}

/// With the options that change what is computed: dropout, and trunks that normalise by the batch.
Config optional_config() {
  Config config = small_config();
  config.dropout = 0.4;
  config.head.trunk_batch_norm = HeadSettings::TrunkBatchNorm::kBatch;
  return config;
}
class WithOptions : public TaggerTest {
 protected:
  WithOptions() : TaggerTest(optional_config()) {}
};

TEST_P(WithOptions, TrainingStepMatchesTheReference) {
  const FloatInputs inputs(kBatch);
  const Named before = reference::tensors_of(tagger);
  const auto actual = BoundPass(tagger, /*training=*/true, {kBatch}, kNans).train(inputs);
  const PassResult expected =
      reference::run_pass(tagger, before, inputs.exact(), Mode::kTrain, actual.decisions);
  expect_results(tagger, actual, expected);
  expect_gradients(tagger, actual.gradients, expected);
}

TEST_P(WithOptions, InferenceIgnoresThem) {
  const FloatInputs inputs(kBatch);
  const PassResult expected = reference::run_pass(tagger, reference::tensors_of(tagger),
                                                  inputs.exact(), Mode::kInference);
  const auto actual = BoundPass(tagger, /*training=*/false, {kBatch}, kNans).infer(inputs);
  expect_results(tagger, actual, expected);
}

INSTANTIATE_TEST_SUITE_P(Kinds, WithOptions,
                         testing::Values(ModelKind::kAudio, ModelKind::kComb), kind_name);

INSTANTIATE_TEST_SUITE_P(Kinds, WholeNetwork,
                         testing::Values(ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb),
                         kind_name);

}  // namespace
}  // namespace earshot
