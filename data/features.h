// The settings that turn a recording into samples and log-mel (paper 2.2, 2.5). They are fixed
// when a clip store is prepared, and travel with every checkpoint trained from it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace earshot {

constexpr int kSampleRate = 44100;  // Hz
constexpr int kFftLength = 2048;    // samples
constexpr int kHopLength = 256;     // samples
constexpr int kMelBands = 128;      // 0 to 22,050 Hz, Slaney scale, area-normalised
constexpr int kTrimFrame = 2048;    // samples
constexpr int kTrimHop = 512;       // samples
constexpr int kCropStep = 5120;     // samples, paper 2.5: "step size of 5120 frames"

/// kAmplitudeDb: 20 log10(max(1e-5, mel power)); kPowerDb: 10 log10(max(1e-10, mel power)).
/// Both are floored at the clip's own maximum - 80 dB.
enum class LogScale { kAmplitudeDb, kPowerDb };

struct FeatureSettings {
  LogScale log_scale = LogScale::kAmplitudeDb;
  double trim_db = 40.0;  // silence below the clip's own maximum by this much is cut; 0: no trim
  bool peak = false;      // scale each clip to a peak of 1 before anything else

  bool operator==(const FeatureSettings&) const = default;
};

/// Also checks: unknown keys, wrong types and values out of range throw UsageError.
FeatureSettings features_from_json(const nlohmann::json& json);
nlohmann::json to_json(const FeatureSettings& settings);

/// Log-mel columns of a clip of `samples` samples: 1 + samples / 256, and 0 for an empty clip.
constexpr int64_t mel_frames(int64_t samples) {
  return samples == 0 ? 0 : 1 + samples / kHopLength;
}

}  // namespace earshot
