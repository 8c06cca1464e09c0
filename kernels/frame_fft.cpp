#include "kernels/frame_fft.h"

#include <cmath>
#include <numbers>

#include "kernels/log_mel.h"

namespace earshot {
template <int kPoints, int kRadix>
Turns<kPoints, kRadix>::Turns() {
  float* at = values.data();
  for (int j = 0; j < kPoints / kRadix; ++j) {
    for (int k = 1; k < kRadix; ++k) {
      const double angle = 2.0 * std::numbers::pi * j * k / kPoints;
      *at++ = static_cast<float>(std::cos(angle));
      *at++ = static_cast<float>(std::sin(angle));
    }
  }
}

FrameFftTables::FrameFftTables() {
  const std::vector<float> hann = hann_window();
  for (int i = 0; i < kFrame; ++i) window[i] = 0.5f * hann[i];
  for (int k = 0; k <= kFramePoints / 2; ++k) {
    const double angle = 2.0 * std::numbers::pi * k / kFrame;
    real[2 * k] = static_cast<float>(std::cos(angle));
    real[2 * k + 1] = static_cast<float>(std::sin(angle));
  }
  // k = k1 + 8 k2 + 64 k3 + 256 k4 lies where its digits stand in the opposite order.
  for (int k = 0; k <= kFramePoints; ++k)
    place[k] = k % 8 * 128 + k / 8 % 8 * 16 + k / 64 % 4 * 4 + k / 256 % 4;
}

}  // namespace earshot
