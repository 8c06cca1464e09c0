// What the tests of minimal filtering share (winograd_test.cpp, line_conv_test.cpp).
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/reference/compare.h"
#include "tests/reference/reference.h"
#include "tests/reference/values.h"

namespace earshot {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();  // what outputs hold before
constexpr float kGuard = 77;

/// The tolerances of single elements allow for the worst of tiles; this is what the points were
/// chosen by: the deviation of all elements, 1.4e-6 and less for 64 channels and tiles of 4 cells a
/// side, 7.6e-6 for 6 (kernels/cook_toom.h).
constexpr double kDeviation = 5e-6, kDeviationOfLargerTiles = 2e-5;

inline void expect_small_deviation(const std::vector<float>& actual,
                                   const reference::Values& expected, const std::string& what,
                                   double bound = kDeviation) {
  ASSERT_EQ(actual.size(), expected.size());
  double error = 0, size = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    error += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  const reference::Values zero{0}, deviation{std::sqrt(error)}, tolerance{bound * std::sqrt(size)};
  expect_close(deviation, zero, tolerance, "deviation of " + what);
}

/// A winner may differ from the reference's where others come as close; but its value must be the
/// largest one.
inline void expect_winners(const ConvolutionShape& s, const reference::Values& unpooled,
                           const reference::Cells& argmax, const reference::Values& y,
                           const reference::Values& tolerance) {
  const reference::Values before = reference::relu(unpooled), ones(y.size(), 1.0);
  const reference::Values wins = reference::max_pool_relu_backward(
      {s.n, s.h, s.w, s.c_out, s.pool_h, s.pool_w}, ones, argmax, ones);
  reference::Values of_winners(y.size());
  for (size_t i = 0; i < before.size(); ++i) {
    if (wins[i] == 0) continue;
    const int64_t c = int64_t(i) % s.c_out, cell = int64_t(i) / s.c_out;
    const int64_t w = cell % s.w / s.pool_w, h = cell / s.w % s.h / s.pool_h, n = cell / s.w / s.h;
    of_winners[((n * s.y().h + h) * s.y().w + w) * s.c_out + c] = before[i];
  }
  expect_close(of_winners, y, tolerance, "value of the winner");
}

/// Floats on a multiple of 64 bytes with a guard behind them.
class Scratch {
 public:
  explicit Scratch(int64_t count) : count_(count), floats_(static_cast<size_t>(count + 32), kNan) {
    while (reinterpret_cast<uintptr_t>(data()) % 64 != 0) ++first_;
    data()[count_] = kGuard;
  }
  ~Scratch() { EXPECT_EQ(data()[count_], kGuard) << "scratch written behind its end"; }
  float* data() { return floats_.data() + first_; }

 private:
  int64_t count_, first_ = 0;
  std::vector<float> floats_;
};

}  // namespace earshot
