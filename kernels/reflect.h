// Reflection padding, as numpy's "reflect".
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace earshot {

/// Position `i` of a signal of `n` samples continued by reflection about its first and last
/// sample, again and again where `i` lies further out than the signal is long.
EARSHOT_HOST_DEVICE inline int64_t reflect(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1);
  i %= period;
  if (i < 0) i += period;
  return i < n ? i : period - i;
}

}  // namespace earshot
