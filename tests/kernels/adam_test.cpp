#include "kernels/adam.h"

#include <gtest/gtest.h>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Values;

constexpr double kRate = 1e-3, kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-7;  // paper 2.5
constexpr int32_t kGoOn = 0;

TEST(AdamStep, CorrectsTheBiasInTheRate) {
  for (const int64_t t : {1, 2, 10, 1000, 100000}) {
    const AdamStep step = adam_step(t, kRate, kBeta1, kBeta2, kEpsilon, 0.01);
    const auto exact = reference::keras_adam(t, kRate, kBeta1, kBeta2, kEpsilon, 0.01);
    const Values expected{exact.rate, exact.beta1, exact.beta2, exact.epsilon, exact.decay};
    expect_close(std::vector<float>{step.rate, step.beta1, step.beta2, step.epsilon, step.decay},
                 expected, rounding(1, expected), "step " + std::to_string(t));
  }
}

struct AdamCase {
  int64_t count;
  double gradient;  // largest
  double weight_decay;
};

class AdamKernel : public testing::TestWithParam<AdamCase> {};

TEST_P(AdamKernel, MatchesOverManySteps) {
  const auto& [count, largest, weight_decay] = GetParam();
  constexpr int64_t kSteps = 25;
  std::vector<float> p = random_values(count, 1), m(p.size(), 0.0f), v(p.size(), 0.0f);
  reference::AdamState exact{widen(p), widen(m), widen(v)};
  for (int64_t t = 1; t <= kSteps; ++t) {
    const std::vector<float> g = random_values(count, uint32_t(10 + t), -largest, largest);
    const AdamStep step = adam_step(t, kRate, kBeta1, kBeta2, kEpsilon, weight_decay);
    adam(p.data(), g.data(), m.data(), v.data(), count, &step, &kGoOn);
    reference::adam({double(step.rate), double(step.beta1), double(step.beta2),
                     double(step.epsilon), double(step.decay)},
                    widen(g), exact);
  }
  const double g = growth(kSteps);
  expect_close(m, exact.m, rounding(g, Values(m.size(), largest)), "m");
  expect_close(v, exact.v, rounding(g, Values(v.size(), largest * largest)), "v");
  expect_close(p, exact.p, rounding(g, Values(p.size(), 1.0)), "p");  // |p| < 1, and shrinks
}

INSTANTIATE_TEST_SUITE_P(OddSizes, AdamKernel,
                         testing::Values(AdamCase{1, 1, 0}, AdamCase{3, 1e-3, 0.01},
                                         AdamCase{17, 100, 0}, AdamCase{64, 1, 0.1},
                                         AdamCase{1001, 1e-6, 0}));

TEST(Adam, FollowsKeras) {
  constexpr int64_t kCount = 100, kSteps = 10;
  std::vector<float> p = random_values(kCount, 1), m(p.size(), 0.0f), v(p.size(), 0.0f);
  const std::vector<float> start = p;
  reference::AdamState exact{widen(p), widen(m), widen(v)};
  for (int64_t t = 1; t <= kSteps; ++t) {
    const std::vector<float> g = random_values(kCount, uint32_t(50 + t));
    const AdamStep step = adam_step(t, kRate, kBeta1, kBeta2, kEpsilon, 0);
    adam(p.data(), g.data(), m.data(), v.data(), kCount, &step, &kGoOn);
    reference::adam(reference::keras_adam(t, kRate, kBeta1, kBeta2, kEpsilon, 0), widen(g), exact);
  }
  // 1 - float32(0.999) is off by up to kUnit, which is kUnit / 0.001 relative in v and half of it
  // in a step; no step moves further than 10 learning rates.
  const double moved = 0.5 / (1 - kBeta2) * kSteps * 10 * kRate;
  expect_close(p, exact.p, rounding(1, Values(p.size(), growth(kSteps) + moved)), "Keras' p");
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NE(p[i], start[i]);
}

TEST(Adam, EpsilonStandsOutsideTheBiasCorrection) {
  // At step 1 with g = epsilon: m = 0.1 g and sqrt(v) = sqrt(0.001) g, so
  // the step is lr sqrt(0.001) / 0.1 x 0.1 g / (sqrt(0.001) g + epsilon).
  float p = 0, m = 0, v = 0;
  const float g = 1e-7f;
  const AdamStep step = adam_step(1, kRate, kBeta1, kBeta2, kEpsilon, 0);
  adam(&p, &g, &m, &v, 1, &step, &kGoOn);
  const double expected = -1e-3 * std::sqrt(0.001) / (std::sqrt(0.001) + 1);
  EXPECT_NEAR(static_cast<double>(p), expected, 1e-4 * std::abs(expected));  // 1 - 0.999f
}

TEST(Adam, ZeroGradientsLeaveParametersAlone) {
  std::vector<float> p = random_values(33, 1);
  const std::vector<float> before = p, g(33, 0.0f);
  std::vector<float> m(33, 0.0f), v(33, 0.0f);
  const AdamStep step = adam_step(1, kRate, kBeta1, kBeta2, kEpsilon, 0);
  adam(p.data(), g.data(), m.data(), v.data(), 33, &step, &kGoOn);
  EXPECT_EQ(p, before);
}

TEST(Adam, SkipsWhereItIsToldTo) {
  const std::vector<float> g = random_values(33, 2);
  const AdamStep step = adam_step(1, kRate, kBeta1, kBeta2, kEpsilon, 0.1);
  for (const int32_t skip : {0, 1}) {
    std::vector<float> p = random_values(33, 1), m(33, 0.5f), v(33, 0.25f);
    const std::vector<float> before = p;
    adam(p.data(), g.data(), m.data(), v.data(), 33, &step, &skip);
    EXPECT_EQ(p == before, skip != 0);
    EXPECT_EQ(m == std::vector<float>(33, 0.5f), skip != 0);
    EXPECT_EQ(v == std::vector<float>(33, 0.25f), skip != 0);
  }
}

}  // namespace
}  // namespace earshot
