#include "models/step_profile.h"

#include <gtest/gtest.h>

#include "engine/error.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

TEST(StepProfile, WrongRangesAreRefused) {
  for (const char* text : {"", "5", "5:", ":5", "0:3", "7:3", "-1:3", "a:b", "1:2:3", "1:2x",
                           " 1:2", "1:99999999999999999999"})
    EXPECT_THROW(StepProfile{text}, UsageError) << text;
}

/// Whether ranges are heard in each of six steps.
std::vector<bool> heard(const std::string& steps) {
  const auto backend = make_cpu_backend(1);
  StepProfile profile(steps);
  std::vector<bool> heard;
  for (int step = 0; step < 6; ++step) {
    profile.begin_step(*backend, "phase");
    heard.push_back(trace_listener != nullptr);
    {
      const TraceRange outer("block.", TracePhase::kForward);
      const TraceRange inner("conv", TracePhase::kForward);
    }
    profile.end_step(*backend);
  }
  EXPECT_EQ(trace_listener, nullptr);
  return heard;
}

TEST(StepProfile, HearsItsStepsAlone) {
  EXPECT_EQ(heard("3:5"), (std::vector<bool>{0, 0, 1, 1, 1, 0}));
  EXPECT_EQ(heard("1:1"), (std::vector<bool>{1, 0, 0, 0, 0, 0}));
  EXPECT_EQ(heard("6:6"), (std::vector<bool>{0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(heard("7:9"), (std::vector<bool>(6, false)));
}

TEST(StepProfile, EndsWithTheRun) {
  const auto backend = make_cpu_backend(1);
  {
    StepProfile profile("1:9");
    profile.begin_step(*backend, "phase");
    EXPECT_NE(trace_listener, nullptr);
  }
  EXPECT_EQ(trace_listener, nullptr);
}

}  // namespace
}  // namespace earshot
