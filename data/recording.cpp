#include "data/recording.h"

#include <algorithm>
#include <cmath>

#include "data/trim.h"

namespace earshot {
namespace {

constexpr float kFullScale = 32768.0f;

int16_t to_int16(float x) {
  const float scaled = std::clamp(x * kFullScale, -kFullScale, kFullScale - 1.0f);
  return static_cast<int16_t>(static_cast<int32_t>(std::nearbyintf(scaled)));
}

double share_at_full_scale(std::span<const float> samples) {
  constexpr float kAlmostFull = 1.0f - 2.0f / kFullScale;
  int32_t full = 0;  // an hour has 1.6e8 samples
  for (const float x : samples) full += std::abs(x) >= kAlmostFull ? 1 : 0;
  return samples.empty() ? 0.0 : static_cast<double>(full) / static_cast<double>(samples.size());
}

void scale_to_peak(std::vector<float>& samples) {
  float peak = 0.0f;
  for (const float x : samples) peak = std::max(peak, std::abs(x));
  if (peak <= 0.0f) return;
  for (float& x : samples) x /= peak;
}

}  // namespace

Recording read_recording(const fs::path& path, const FeatureSettings& settings,
                         double max_seconds) {
  std::vector<float> mono = decode_audio(path, max_seconds);
  Recording recording;
  recording.clipped = share_at_full_scale(mono);
  if (settings.peak) scale_to_peak(mono);
  const Kept kept = trim_silence(mono, settings.trim_db);
  recording.samples.resize(kept.end - kept.begin);
  std::transform(mono.begin() + kept.begin, mono.begin() + kept.end, recording.samples.begin(),
                 to_int16);
  recording.silent =
      !recording.samples.empty() && std::all_of(recording.samples.begin(), recording.samples.end(),
                                                [](int16_t s) { return s == 0; });
  return recording;
}

LogMelSettings log_mel_settings(const FeatureSettings& settings) {
  if (settings.log_scale == LogScale::kPowerDb) {
    return {.multiplier = 10.0, .minimum = 1e-10, .range = 80.0};
  }
  return {.multiplier = 20.0, .minimum = 1e-5, .range = 80.0};
}

ClipMel compute_log_mel(LogMel& extractor, std::span<const int16_t> samples) {
  ClipMel mel;
  if (samples.empty()) return mel;
  std::vector<float> scaled(samples.size());
  std::transform(samples.begin(), samples.end(), scaled.begin(),
                 [](int16_t s) { return static_cast<float>(s) / kFullScale; });
  mel.values.resize(mel_frames(static_cast<int64_t>(samples.size())) * kMelBands);
  mel.floor = extractor.extract(scaled, mel.values.data());
  return mel;
}

}  // namespace earshot
