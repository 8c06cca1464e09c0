// Inner loops of log_mel.cpp, once for each instruction set, on as many frames as it has lanes.
#pragma once

#include "kernels/frame_fft.h"
#include "kernels/log_mel.h"

namespace earshot {

/// db = multiplier log10(max(minimum, x)) = octave log2(2^e) + half_neper 1/2 ln(m), x = m 2^e.
struct Decibels {
  explicit Decibels(const LogMelSettings& settings);
  float minimum, octave, half_neper;
  float lowest;  // of the minimum
};

struct LogMelKernels {
  int64_t lanes;
  /// hops -> power
  void (*powers)(const FrameFftTables& tables, FrameFftScratch& scratch);
  /// power [1025][lanes] -> db [128][lanes] without the floor; loudest [lanes]
  void (*bands)(const MelBank& bank, const Decibels& scale, const float* power, float* db,
                float* loudest);
};

const LogMelKernels& log_mel_avx2();
const LogMelKernels& log_mel_avx512();  // only where best_simd() allows

}  // namespace earshot
