#include "models/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace earshot {

double LearningRate::at(int64_t t) const {
  const auto step = static_cast<double>(t);
  if (step < warmup) return peak * step / warmup;
  if (total == 0) return peak;
  const double left = static_cast<double>(total) - warmup;
  const double done = left > 0 ? std::min(1.0, (step - warmup) / left) : 1.0;
  return peak * 0.5 * (1 + std::cos(std::numbers::pi * done));
}

}  // namespace earshot
