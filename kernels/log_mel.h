// Log-mel spectrogram (paper 2.2; librosa 0.6 semantics).
//   frames   1 + samples / 256, frame t centred on sample 256 t, reflection at both ends
//            (folding repeatedly where the clip is shorter than 1,024 samples)
//   power    |FFT_2048(periodic Hann * frame)|^2, 1,025 bins
//   mel      128 triangles from 0 to 22,050 Hz on the Slaney scale, each of area 1 (in Hz)
//   log      see LogScale; floored at the maximum of the whole clip - 80 dB
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace earshot {

struct LogMelSettings {
  double multiplier = 20.0;  // dB per decade: 20 amplitude_db, 10 power_db
  double minimum = 1e-5;     // mel power below this counts as this
  double range = 80.0;       // dB below the clip's maximum where the floor lies
};

/// Slaney mel filter bank as dense rows [128, 1025].
std::vector<float> mel_filter_bank();

/// One extractor per thread: it owns FFT plans and scratch.
class LogMel {
 public:
  explicit LogMel(const LogMelSettings& settings);
  ~LogMel();
  LogMel(LogMel&&) noexcept;
  /// samples [samples] at full scale 1.0 -> out [1 + samples / 256, 128] in dB.
  /// samples must not be empty. Returns the floor in dB.
  float extract(std::span<const float> samples, float* out);

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

}  // namespace earshot
