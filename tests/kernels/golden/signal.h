// The signal that log_mel.py gives to librosa.
#pragma once

#include <cstdint>
#include <vector>

namespace earshot::golden {

/// Noise from a 32-bit congruential generator, 16 bit, divided by 2 in the middle third and by
/// `quiet` elsewhere (rounding down).
inline std::vector<float> signal(int length, int quiet) {
  std::vector<float> out;
  uint32_t state = 1;
  for (int i = 0; i < length; ++i) {
    state = 1664525u * state + 1013904223u;
    const int value = static_cast<int>(state >> 16) - 32768;
    const int divisor = length / 3 <= i && i < 2 * length / 3 ? 2 : quiet;
    const int rounded = (value - (value < 0 ? divisor - 1 : 0)) / divisor;
    out.push_back(static_cast<float>(rounded) / 32768.0f);
  }
  return out;
}

}  // namespace earshot::golden
