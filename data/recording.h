// One recording from file to samples and log-mel: what `prepare` stores and `predict` computes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/audio_file.h"
#include "data/features.h"
#include "kernels/log_mel.h"

namespace earshot {

struct Recording {
  std::vector<int16_t> samples;  // after trimming, full scale 32768; empty for an empty file
  bool silent = false;           // every sample is zero
  double clipped = 0.0;          // share of the decoded samples at or above full scale
};

/// decode -> average channels -> 44.1 kHz -> peak (option) -> trim -> int16.
/// Throws AudioError as decode_audio does.
Recording read_recording(const fs::path& path, const FeatureSettings& settings,
                         double max_seconds = kLongestSeconds);

LogMelSettings log_mel_settings(const FeatureSettings& settings);

/// Log-mel of int16 samples, [mel_frames(samples), 128] in dB; nothing for no samples.
struct ClipMel {
  std::vector<float> values;
  float floor = 0.0f;
};
ClipMel compute_log_mel(LogMel& extractor, std::span<const int16_t> samples);

}  // namespace earshot
