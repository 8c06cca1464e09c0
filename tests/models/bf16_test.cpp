// Whole networks with bf16 activations, against the same in float32: what is stored how, and that
// nothing but rounding changes.
#include <gtest/gtest.h>

#include "tests/engine/bf16_backend.h"
#include "tests/models/pass_fixture.h"
#include "tests/reference/compare.h"

namespace earshot {
namespace {

/// |a - b| / |b| of whole vectors.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(double(a[i]) - double(b[i]), 2);
    size += std::pow(double(b[i]), 2);
  }
  return std::sqrt(difference / size);
}

class Bf16Networks : public testing::TestWithParam<ModelKind> {
 protected:
  Bf16Backend narrow_backend;
  std::unique_ptr<Backend> cpu = make_cpu_backend(2);
  Tagger narrow{narrow_backend, small_config(), GetParam(), kClasses, /*trained=*/true};
  Tagger wide{*cpu, small_config(), GetParam(), kClasses, /*trained=*/true};
};

TEST_P(Bf16Networks, OnlyBlocksAreStoredAsBf16) {
  const TaggerPass pass(narrow, /*training=*/true, {3});
  size_t outputs = 0;
  for (const ArenaPlan::Entry& e : pass.arena().entries()) {
    const bool block = e.name.rfind("block", 0) == 0;
    const bool cells = e.name.ends_with(".y") || e.name.ends_with(".dx");
    const bool last = e.name.find("block4.norm.y") == 0 && GetParam() == ModelKind::kAudio;
    const bool last_of_spec = e.name.find("block6.norm.y") == 0;
    if (!block || !cells) {
      EXPECT_NE(e.type, DType::kBf16) << e.name;
    } else if (GetParam() != ModelKind::kComb) {
      EXPECT_EQ(e.type, last || last_of_spec ? DType::kF32 : DType::kBf16) << e.name;
      ++outputs;
    } else {
      outputs += e.type == DType::kBf16;
    }
  }
  EXPECT_GT(outputs, 10u);
}

TEST_P(Bf16Networks, ComputeTheSameButForRounding) {
  randomise(narrow, 1000);
  randomise(wide, 1000);
  const FloatInputs inputs(3);
  const auto infer = [&](Tagger& tagger) {
    return BoundPass(tagger, /*training=*/false, {3}, kNans).infer(inputs).logits;
  };
  // At most 18 roundings lie between the input and the logits; they add up at random.
  const double rounding = std::sqrt(18.0) * kBf16Unit;
  const double inferred = distance(infer(narrow), infer(wide));
  EXPECT_LE(inferred, 4 * rounding);
  EXPECT_GT(inferred, 0) << "nothing was rounded";
  // New weights reach the next pass: a stale bf16 copy would keep the old logits.
  randomise(narrow, 2000);
  randomise(wide, 2000);
  EXPECT_LE(distance(infer(narrow), infer(wide)), 4 * rounding);
}

// The gradient of each weight points where float32's does: a step that lost or mixed up a tensor
// would not. It is no rounding error: a cell that rounds to another winner, or across a ReLU, sends
// its gradient elsewhere, and batch norm over few examples amplifies that.
TEST_P(Bf16Networks, GradientsPointTheSameWay) {
  randomise(narrow, 1000);
  randomise(wide, 1000);
  const FloatInputs inputs(8);
  const auto train = [&](Tagger& tagger) {
    return BoundPass(tagger, /*training=*/true, {8}, kNans).train(inputs).gradients;
  };
  const std::vector<float> ours = train(narrow), exact = train(wide);
  for (const Parameters::Entry& entry : narrow.trainable().entries()) {
    if (!entry.name.ends_with(".weight")) continue;
    double product = 0, our_size = 0, exact_size = 0;
    for (auto i = size_t(entry.offset); i < size_t(entry.offset + entry.shape.count()); ++i) {
      product += double(ours[i]) * double(exact[i]);
      our_size += std::pow(double(ours[i]), 2);
      exact_size += std::pow(double(exact[i]), 2);
    }
    EXPECT_GE(product / std::sqrt(our_size * exact_size), 0.7) << entry.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Bf16Networks,
                         testing::Values(ModelKind::kAudio, ModelKind::kSpec, ModelKind::kComb),
                         [](const auto& of) {
                           return std::string(to_string(of.param)).substr(4);  // without "cnn-"
                         });

}  // namespace
}  // namespace earshot
