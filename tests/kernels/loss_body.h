// The tests of the loss, for every form of it.
#pragma once

#include <gtest/gtest.h>

#include "kernels/loss.h"
#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {

/// Pointers are the host's.
struct LossCalls {
  decltype(&softmax_loss) loss;
  decltype(&log_softmax) log_probabilities;
};

struct LossCase {
  LossShape shape;
  double largest;  // logit
};

class LossBody {
 public:
  LossBody(const LossCase& test, const LossCalls& form)
      : s(test.shape), largest(test.largest), calls(form) {}

  void matches_with_gradient() {
    std::vector<float> loss(static_cast<size_t>(s.n), -1), dlogits(count, -1);
    calls.loss(s, logits.data(), targets.data(), weights.data(), loss.data(), dlogits.data());
    const auto expected = reference::softmax_loss(s, widen(logits), widen(targets), widen(weights));
    // Weights and masses sum to at most 3 and 1.
    expect_close(loss, expected.loss, rounding(g, Values(loss.size(), 3 * size)), "loss");
    const Values log_p = reference::log_softmax(s, widen(logits));
    Values sizes(count);
    for (size_t i = 0; i < count; ++i)
      sizes[i] = 3 / double(s.n) * (std::exp(log_p[i]) * size + double(targets[i]));
    Values tolerance = rounding(g, sizes);
    for (double& x : tolerance) x += 0x1p-126;  // exponentials below the smallest normal may be 0
    expect_close(dlogits, expected.dlogits, tolerance, "dlogits");

    std::vector<float> alone(loss.size());
    calls.loss(s, logits.data(), targets.data(), weights.data(), alone.data(), nullptr);
    EXPECT_EQ(alone, loss);
  }

  void log_softmax_matches_also_in_place() {
    std::vector<float> out(count);
    calls.log_probabilities(s, logits.data(), out.data());
    expect_close(out, reference::log_softmax(s, widen(logits)), rounding(g, Values(count, size)),
                 "log softmax");
    calls.log_probabilities(s, logits.data(), logits.data());
    EXPECT_EQ(logits, out);
  }

  static void extreme_logits(const LossCalls& calls) {
    const LossShape s{1, 3};
    const float logits[] = {3e38f, 0, -3e38f}, targets[] = {1, 0, 0}, weights[] = {2, 1, 1};
    float loss, dlogits[3];
    calls.loss(s, logits, targets, weights, &loss, dlogits);
    EXPECT_EQ(loss, 0.0f);
    for (const float g : dlogits) EXPECT_EQ(g, 0.0f);
  }

 private:
  using Values = reference::Values;

  LossShape s;
  double largest;
  LossCalls calls;
  size_t count = static_cast<size_t>(s.n * s.classes);
  std::vector<float> logits = random_values(s.n * s.classes, 1, -largest, largest);
  std::vector<float> weights = random_values(s.classes, 2, 0.1, 3);
  std::vector<float> targets = mixed_targets();
  /// Of a log-probability: both its terms are bounded by the largest logit; the sum adds log(n).
  double size = 2 * largest + std::log(static_cast<double>(s.classes)) + 1;
  double g = growth(s.classes);

  /// Two classes of each example share a weight of 1, as in mixup; one example is pure.
  std::vector<float> mixed_targets() const {
    std::vector<float> y(count, 0.0f);
    const std::vector<float> share = random_values(s.n, 3, 0, 1);
    for (int64_t i = 0; i < s.n; ++i) {
      const float first = i == 0 ? 1.0f : share[i];
      y[i * s.classes + i % s.classes] += first;
      y[i * s.classes + (i * 7 + 3) % s.classes] += 1 - first;
    }
    return y;
  }
};

}  // namespace earshot
