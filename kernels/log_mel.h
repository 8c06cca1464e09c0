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

#include "kernels/simd.h"
#include "kernels/stream.h"

namespace earshot {

struct LogMelSettings {
  double multiplier = 20.0;  // dB per decade: 20 amplitude_db, 10 power_db
  double minimum = 1e-5;     // mel power below this counts as this
  double range = 80.0;       // dB below the clip's maximum where the floor lies
};

/// Slaney mel filter bank as dense rows [128, 1025].
std::vector<float> mel_filter_bank();

/// The non-zero weights of one row of the filter bank.
struct MelTriangle {
  int32_t first = 0;   // bin of the first weight
  int32_t offset = 0;  // into MelBank::weights
  int32_t count = 0;
};
struct MelBank {
  std::vector<MelTriangle> triangles;  // [128]
  std::vector<float> weights;          // of all triangles, end to end
};
MelBank mel_bank();

/// The periodic Hann window [2048].
std::vector<float> hann_window();

/// One extractor per thread: it owns 240 KB of scratch. A frame's bits depend on neither the
/// instruction set nor the frames beside it.
class LogMel {
 public:
  explicit LogMel(const LogMelSettings& settings, Simd simd = best_simd());
  ~LogMel();
  LogMel(LogMel&&) noexcept;
  /// samples [samples] at full scale 1.0 -> out [1 + samples / 256, 128] in dB.
  /// samples must not be empty. Returns the floor in dB.
  float extract(std::span<const float> samples, float* out);
  /// Power spectrum [1025] of frame t = 0 ... samples / 256; valid until the next call.
  std::span<const float> power(std::span<const float> samples, int64_t t);

 private:
  struct Plan;
  std::unique_ptr<Plan> plan_;
};

// On a CUDA device, around a batched FFT of the caller's. Pointers are the device's, those of the
// view too.
struct MelBankView {
  const MelTriangle* triangles = nullptr;  // [128]
  const float* weights = nullptr;
};
/// Clips of any length, end to end.
struct MelClips {
  const int16_t* samples = nullptr;       // full scale 32768
  const int64_t* first_sample = nullptr;  // [n + 1]
  const int64_t* first_frame = nullptr;   // [n + 1]; a clip has 1 + samples / 256
  int64_t n = 0;
};
namespace cuda {
/// wave [n, t], window [2048] = hann_window() -> frames [n, 1 + t / 256, 2048]
void log_mel_frames(int64_t n, int64_t t, const float* wave, const float* window, float* frames,
                    Stream stream);
/// spectrum [n, frames, 1025, 2] -> db [n, frames, 128] without the floor, maxima [n]
void log_mel_bands(int64_t n, int64_t frames, const float* spectrum, const LogMelSettings& settings,
                   const MelBankView& bank, float* db, float* maxima, Stream stream);
/// db -> out [n, 128, w], floored and resized as by resize_columns.
void log_mel_resize(int64_t n, int64_t frames, int64_t w, const LogMelSettings& settings,
                    const float* db, const float* maxima, float* out, Stream stream);
/// Frames first ... first + rows of all clips -> frames [rows, 2048]
void log_mel_clip_frames(const MelClips& clips, int64_t first, int64_t rows, const float* window,
                         float* frames, Stream stream);
/// spectrum [rows, 1025, 2] -> db [rows, 128] without the floor
void log_mel_clip_bands(int64_t rows, const float* spectrum, const LogMelSettings& settings,
                        const MelBankView& bank, float* db, Stream stream);
/// db [frames of all clips, 128] in place: no value below its clip's floor [n].
void log_mel_clip_floor(const MelClips& clips, const LogMelSettings& settings, float* db,
                        float* floor, Stream stream);
}  // namespace cuda

}  // namespace earshot
