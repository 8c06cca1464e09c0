#include "kernels/adam.h"

#include <gtest/gtest.h>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using reference::Values;

constexpr reference::AdamSettings kPaper{1e-3, 0.9, 0.999, 1e-7, 0};

TEST(AdamStep, CorrectsTheBiasInTheRate) {
  for (const int64_t t : {1, 2, 10, 1000, 100000}) {
    const AdamStep step = adam_step(t, 1e-3, 0.9, 0.999, 1e-7, 0.01);
    const double b1 = std::pow(0.9, double(t)), b2 = std::pow(0.999, double(t));
    const Values expected{1e-3 * std::sqrt(1 - b2) / (1 - b1), 0.9, 0.999, 1e-7, 1e-5};
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

// The engine's betas are float32, so the reference takes those.
TEST_P(AdamKernel, MatchesOverManySteps) {
  const auto& [count, largest, weight_decay] = GetParam();
  constexpr int64_t kSteps = 25;
  std::vector<float> p = random_values(count, 1), m(p.size(), 0.0f), v(p.size(), 0.0f);
  reference::AdamState exact{widen(p), widen(m), widen(v)};
  reference::AdamSettings s = kPaper;
  s.weight_decay = weight_decay;
  double m_size = 0, v_size = 0, moved = 0;
  for (int64_t t = 1; t <= kSteps; ++t) {
    const std::vector<float> g = random_values(count, uint32_t(10 + t), -largest, largest);
    const AdamStep step =
        adam_step(t, s.learning_rate, s.beta1, s.beta2, s.epsilon, s.weight_decay);
    adam(p.data(), g.data(), m.data(), v.data(), count, step);
    // The same step in double, from the float32 settings of this step.
    for (size_t i = 0; i < p.size(); ++i) {
      const double gradient = static_cast<double>(g[i]), b1 = static_cast<double>(step.beta1),
                   b2 = static_cast<double>(step.beta2);
      exact.m[i] = b1 * exact.m[i] + (1 - b1) * gradient;
      exact.v[i] = b2 * exact.v[i] + (1 - b2) * gradient * gradient;
      exact.p[i] -= static_cast<double>(step.rate) * exact.m[i] /
                        (std::sqrt(exact.v[i]) + static_cast<double>(step.epsilon)) +
                    static_cast<double>(step.decay) * exact.p[i];
    }
    m_size = std::max(m_size, largest);
    v_size = std::max(v_size, largest * largest);
    moved += 10 * s.learning_rate;  // |m| / sqrt(v) <= 1 / sqrt(1 - b2) < 32, after correction ~ 1
  }
  const double g = growth(kSteps);
  expect_close(m, exact.m, rounding(g, Values(m.size(), m_size)), "m");
  expect_close(v, exact.v, rounding(g, Values(v.size(), v_size)), "v");
  expect_close(p, exact.p, rounding(g, Values(p.size(), 1 + moved)), "p");
}

INSTANTIATE_TEST_SUITE_P(OddSizes, AdamKernel,
                         testing::Values(AdamCase{1, 1, 0}, AdamCase{3, 1e-3, 0.01},
                                         AdamCase{17, 100, 0}, AdamCase{64, 1, 0.1},
                                         AdamCase{1001, 1e-6, 0}));

TEST(Adam, FollowsTheKerasFormOfTheReference) {
  constexpr int64_t kCount = 100;
  std::vector<float> p = random_values(kCount, 1), m(p.size(), 0.0f), v(p.size(), 0.0f);
  reference::AdamState exact{widen(p), widen(m), widen(v)};
  for (int64_t t = 1; t <= 10; ++t) {
    const std::vector<float> g = random_values(kCount, uint32_t(50 + t));
    adam(p.data(), g.data(), m.data(), v.data(), kCount,
         adam_step(t, kPaper.learning_rate, kPaper.beta1, kPaper.beta2, kPaper.epsilon, 0));
    reference::adam(kPaper, t, widen(g), exact);
  }
  // 1 - float32(0.999) differs from 0.001 by up to kUnit: kUnit / 0.001 relative in v, half of it
  // in each step of at most 1e-3 x 10.
  const double moved = 10 * 10 * kPaper.learning_rate / (1 - kPaper.beta2);
  expect_close(p, exact.p, rounding(1, Values(p.size(), growth(10) + moved)), "Keras form");
}

TEST(Adam, EpsilonStandsOutsideTheBiasCorrection) {
  // At step 1 with g = epsilon: m = 0.1 g and sqrt(v) = sqrt(0.001) g, so
  // the step is lr sqrt(0.001) / 0.1 x 0.1 g / (sqrt(0.001) g + epsilon).
  float p = 0, m = 0, v = 0;
  const float g = 1e-7f;
  adam(&p, &g, &m, &v, 1, adam_step(1, 1e-3, 0.9, 0.999, 1e-7, 0));
  const double expected = -1e-3 * std::sqrt(0.001) / (std::sqrt(0.001) + 1);
  EXPECT_NEAR(static_cast<double>(p), expected, 1e-4 * std::abs(expected));  // 1 - 0.999f
}

TEST(Adam, ZeroGradientsLeaveParametersAlone) {
  std::vector<float> p = random_values(33, 1);
  const std::vector<float> before = p, g(33, 0.0f);
  std::vector<float> m(33, 0.0f), v(33, 0.0f);
  adam(p.data(), g.data(), m.data(), v.data(), 33, adam_step(1, 1e-3, 0.9, 0.999, 1e-7, 0));
  EXPECT_EQ(p, before);
}

}  // namespace
}  // namespace earshot
