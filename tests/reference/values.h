// Numbers for tests: repeatable draws and conversions.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/philox.h"

namespace earshot {

/// Uniform in [low, high), another stream for every `name`.
inline std::vector<float> random_values(int64_t count, uint32_t name, double low = -1,
                                        double high = 1) {
  Random random(20180731, Purpose::kInitialWeights, name, 1);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& x : values) x = static_cast<float>(low + (high - low) * random.uniform());
  return values;
}

/// Multiples of 1/8 in [-1, 1]: sums of thousands of products of two are exact in float32 in any
/// order, and equal numbers are common.
inline std::vector<float> coarse_values(int64_t count, uint32_t name) {
  std::vector<float> values = random_values(count, name, -8.5, 8.5);
  for (float& x : values) x = std::round(x) / 8;
  return values;
}

inline std::vector<double> widen(std::span<const float> values) {
  return {values.begin(), values.end()};
}

inline std::vector<double> absolute(std::vector<double> values) {
  for (double& x : values) x = std::abs(x);
  return values;
}

}  // namespace earshot
