// The FFT of 2,048 real samples (Hann window, hop 256) for as many neighbouring frames as a vector
// has lanes, one frame a lane: nothing is ever shuffled, every access is a whole vector.
//   z_j = h_2j + i h_2j+1, h = window * samples;  Z = DFT_1024(z) by decimation in frequency,
//   1,024 = 8 8 4 4;  2 X_k = (Z_k + conj Z_-k) - i e^(-2 pi i k / 2048) (Z_k - conj Z_-k)
// The window is half of Hann's, so that the factor 2 goes.
#pragma once

#include <array>
#include <cstdint>

namespace earshot {

constexpr int kFrame = 2048, kFrameHop = 256;         // samples
constexpr int kFrameBins = kFrame / 2 + 1;            // 1,025
constexpr int kFramePoints = kFrame / 2;              // complex
constexpr int kHopsOfFrame = kFrame / kFrameHop;      // 8
constexpr int kMostLanes = 16;                        // frames at once
constexpr int kMostHops = kMostLanes + kHopsOfFrame;  // hops that these frames cover, and one

/// cos and sin of 2 pi j k / n for j < n / radix and k = 1 ... radix - 1.
template <int kPoints, int kRadix>
struct Turns {
  Turns();
  std::array<float, kPoints / kRadix*(kRadix - 1) * 2> values;
};

struct FrameFftTables {
  FrameFftTables();

  alignas(64) std::array<float, kFrame> window;  // half of hann_window()
  Turns<1024, 8> first;
  Turns<128, 8> second;
  Turns<16, 4> third;
  std::array<float, (kFramePoints / 2 + 1) * 2> real;  // cos and sin of 2 pi k / 2048, k <= 512
  std::array<int32_t, kFramePoints + 1> place;  // of Z_k in the transformed points; Z_1024 = Z_0
};

struct alignas(64) FrameFftScratch {
  /// Column c holds sample c of each hop: [256][lanes + 8]; frame l is hops l ... l + 7.
  float hops[kFrameHop * kMostHops];
  float points[kFramePoints * 2 * kMostLanes];  // [1024][re, im][lanes]
  float power[kFrameBins * kMostLanes];         // [1025][lanes], |X_k|^2
};

}  // namespace earshot
