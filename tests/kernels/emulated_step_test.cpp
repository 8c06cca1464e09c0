#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/step.h"
#include "tests/emulator/emulator.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using emulator::InOut;
using emulator::Input;

constexpr float kHuge = std::numeric_limits<float>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Both forms of a report after a step that began with `before`; the device's.
StepReport reported(const std::vector<float>& loss, const std::vector<float>& gradients,
                    StepReport before = {}) {
  const Input<float> on_loss("loss", loss), on_gradients("gradients", gradients);
  InOut<StepReport> report("report", {before});
  const auto n = static_cast<int64_t>(loss.size()), count = static_cast<int64_t>(gradients.size());
  cuda::report_step(n, on_loss.data(), count, on_gradients.data(), report.data(), nullptr);
  const StepReport there = report.values()[0];
  report_step(n, loss.data(), count, gradients.data(), &before);
  EXPECT_EQ(there.bad, before.bad);
  if (!std::isnan(before.loss)) {
    EXPECT_EQ(there.loss, before.loss);
  }
  return there;
}

TEST(EmulatedReport, FindsEveryKindAnywhere) {
  const std::vector<float> loss = random_values(32, 2, 0, kHuge);
  std::vector<float> x = random_values(1001, 1, -kHuge, kHuge);
  x[3] = kHuge;
  x[4] = -kHuge;
  EXPECT_EQ(reported(loss, x).bad, 0);
  for (const float value : {kInfinity, -kInfinity, std::nanf("")}) {
    for (const size_t at : {0, 500, 1000}) {
      std::vector<float> with = x;
      with[at] = value;
      EXPECT_EQ(reported(loss, with).bad, kBadGradient) << value << " at " << at;
    }
    for (const size_t at : {0, 31}) {
      std::vector<float> with = loss;
      with[at] = value;
      EXPECT_EQ(reported(with, x).bad, kBadLoss) << value << " at " << at;
    }
  }
}

TEST(EmulatedReport, StaysBad) {
  EXPECT_EQ(reported({1.0f}, {1.0f}, {0.0, kBadLoss}).bad, kBadLoss);
}

TEST(EmulatedReport, SumsTheLossInOrder) {
  const std::vector<float> loss = random_values(257, 3, -1, 1);
  double sum = 0;
  for (const float x : loss) sum += static_cast<double>(x);
  EXPECT_EQ(reported(loss, {0.0f}, {123.0, 0}).loss, sum);
}

TEST(EmulatedRestore, HappensWhereTheReportIsBad) {
  for (const int64_t count : {1, 257, 1001})
    for (const int32_t bad : {0, int32_t{kBadLoss}, int32_t{kBadGradient}}) {
      std::vector<float> values = random_values(count, 1);
      const std::vector<float> saved = random_values(count, 2);
      const StepReport report{0, bad};
      const Input<StepReport> on_report("report", {report});
      const Input<float> on_saved("saved", saved);
      InOut<float> on_values("values", values);
      cuda::restore_where_bad(on_report.data(), count, on_saved.data(), on_values.data(), nullptr);
      restore_where_bad(&report, count, saved.data(), values.data());
      EXPECT_EQ(on_values.values(), values);
      EXPECT_EQ(values == saved, bad != 0);
    }
}

}  // namespace
}  // namespace earshot
