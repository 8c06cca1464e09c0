// What must not matter: what the arena held before, which other batch sizes were planned, and which
// other examples are in a batch of inference.
#include <cstring>

#include "tests/models/pass_fixture.h"
#include "tests/reference/compare.h"

namespace earshot {
namespace {

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return !a.empty() && a.size() == b.size() &&
         std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void expect_same_bits(const BoundPass::Results& a, const BoundPass::Results& b) {
  EXPECT_TRUE(same_bits(a.logits, b.logits));
  EXPECT_TRUE(same_bits(a.loss, b.loss));
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (size_t i = 0; i < a.tensors.size(); ++i) {
    EXPECT_TRUE(same_bits(a.tensors[i].values, b.tensors[i].values));
    if (!a.tensors[i].statistics.empty()) {
      EXPECT_TRUE(same_bits(a.tensors[i].statistics, b.tensors[i].statistics));
    }
  }
}

class Invariance : public TaggerTest {
 protected:
  BoundPass::Results train(std::vector<int64_t> batches, const FloatInputs& inputs, uint8_t fill) {
    randomise(tagger, 1000);  // training moves the statistics
    return BoundPass(tagger, /*training=*/true, std::move(batches), fill).train(inputs);
  }
};

TEST_P(Invariance, TrainingDoesNotReadWhatTheArenaHeld) {
  const FloatInputs inputs(3);
  const auto a = train({3}, inputs, kZeros), b = train({3}, inputs, kNans);
  expect_same_bits(a, b);
  EXPECT_TRUE(same_bits(a.gradients, b.gradients));
  EXPECT_TRUE(std::all_of(a.gradients.begin(), a.gradients.end(),
                          [](float g) { return std::isfinite(g); }));
}

TEST_P(Invariance, InferenceDoesNotReadWhatTheArenaHeld) {
  const FloatInputs inputs(3);
  expect_same_bits(BoundPass(tagger, /*training=*/false, {3}, kZeros).infer(inputs),
                   BoundPass(tagger, /*training=*/false, {3}, kNans).infer(inputs));
}

TEST_P(Invariance, ASecondStepDoesNotReadTheFirst) {
  randomise(tagger, 1000);
  BoundPass pass(tagger, /*training=*/true, {3, 2}, kNans);
  pass.train(FloatInputs(2));
  randomise(tagger, 1000);
  const FloatInputs inputs(3);
  const auto second = pass.train(inputs);
  const auto first = train({3, 2}, inputs, kZeros);
  expect_same_bits(second, first);
  EXPECT_TRUE(same_bits(second.gradients, first.gradients));
}

// The last batch of an epoch: another library plan may sum in another order, hence rounding.
TEST_P(Invariance, APartialBatchIsThatBatchAlone) {
  const FloatInputs inputs(3);
  const auto partial = train({8, 3}, inputs, kNans), alone = train({3}, inputs, kNans);
  const auto expect_near = [](const std::vector<float>& a, const std::vector<float>& b,
                              const char* what) {
    const std::vector<double> exact = widen(b);
    expect_close(a, exact, rounding_of_largest(growth(3 * 44100), exact), what);
  };
  expect_near(partial.logits, alone.logits, "logits of a partial batch");
  expect_near(partial.loss, alone.loss, "loss of a partial batch");
  expect_near(partial.gradients, alone.gradients, "gradients of a partial batch");
  for (size_t i = 0; i < alone.tensors.size(); ++i)
    expect_near(partial.tensors[i].statistics, alone.tensors[i].statistics,
                "statistics of a partial batch");
}

TEST_P(Invariance, InferenceOfAnExampleIsItsOwn) {
  BoundPass pass(tagger, /*training=*/false, {4, 1}, kNans);
  const FloatInputs all(4);
  const std::vector<float> together = pass.infer(all).logits;
  for (int64_t i = 0; i < all.n; ++i) {
    FloatInputs one(1);
    const auto part = [i](const std::vector<float>& from, size_t features) {
      return std::vector<float>(from.begin() + i * features, from.begin() + (i + 1) * features);
    };
    one.wave = part(all.wave, one.wave.size());
    one.mel = part(all.mel, one.mel.size());
    const std::vector<double> exact = widen(part(together, kClasses));
    expect_close(pass.infer(one).logits, exact, rounding_of_largest(growth(44100), exact),
                 "logits of example " + std::to_string(i));
  }
}

TEST_P(Invariance, AStepChangesTheTrainedSetAlone) {
  const FloatInputs inputs(3);
  const Tagger::Snapshots before = tagger.snapshot();
  BoundPass(tagger, /*training=*/true, {3}, kNans).train(inputs);
  Parameters& set = tagger.trainable();
  const OnDevice<StepScalars> scalars(*backend, {{adam_step(1, 1e-3, 0.9, 0.999, 1e-7, 0)}});
  const OnDevice<StepReport> good(*backend, {{}});
  backend->update({set.values(), set.gradients(), set.first_moments(), set.second_moments(),
                   set.statistics(), set.saved_statistics(), scalars.data(), good.data()});
  const Tagger::Snapshots after = tagger.snapshot();
  ASSERT_EQ(after.size(), tagger.kind() == ModelKind::kComb ? 3u : 1u);
  for (size_t i = 0; i + 1 < after.size(); ++i) {  // the trunks
    EXPECT_TRUE(same_bits(before[i].values, after[i].values));
    EXPECT_TRUE(same_bits(before[i].statistics, after[i].statistics));
  }
  // Adam's first step is the learning rate wherever there is a gradient.
  int64_t moved = 0;
  for (size_t k = 0; k < after.back().values.size(); ++k)
    moved += std::abs(after.back().values[k] - before.back().values[k]) >= 0.9e-3f ? 1 : 0;
  EXPECT_GE(moved, set.trainable_count() / 2);
  EXPECT_FALSE(same_bits(before.back().statistics, after.back().statistics));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Invariance,
                         tagger_cases({ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb}),
                         case_name);

}  // namespace
}  // namespace earshot
