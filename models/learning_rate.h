// The learning rate of each step of a phase.
#pragma once

#include <cstdint>

namespace earshot {

/// A linear rise from 0 over `warmup` steps, then `peak`; where `total` is given, from there down
/// to 0 along half a cosine (Loshchilov & Hutter, "SGDR", equation 5, one period).
struct LearningRate {
  double peak = 0;
  double warmup = 0;  // steps
  int64_t total = 0;  // steps of the phase; 0: no descent

  /// Of step t = 1, 2, ...
  double at(int64_t t) const;
};

}  // namespace earshot
