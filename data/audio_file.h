// Decoding: an audio file -> mono samples at 44.1 kHz.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "engine/files.h"

namespace earshot {

/// No recording may last longer than this; what it takes in memory stays below 1.3 GB.
constexpr double kLongestSeconds = 3600.0;

enum class AudioFault { kUnreadable, kTruncated, kTooLong, kNotFinite };

/// A recording that cannot be used. what() is "<file>: <reason>".
class AudioError : public Error {
 public:
  AudioError(const fs::path& path, AudioFault fault, const std::string& reason);
  AudioFault fault() const { return fault_; }
  /// "truncated: ...", without the file.
  const std::string& reason() const { return reason_; }

 private:
  AudioFault fault_;
  std::string reason_;
};

/// Decodes a whole wav, flac, ogg, mp3, opus, ... file; channels are averaged, other rates are
/// resampled (soxr, high quality). Full scale is 1.0. A file without samples gives an empty vector.
/// Throws AudioError for a file that is missing, no audio, shorter than its header promises,
/// longer than `max_seconds`, or holds NaN or infinite samples.
std::vector<float> decode_audio(const fs::path& path, double max_seconds = kLongestSeconds);

/// True for names that end like an audio file (.wav, .flac, .ogg, .mp3, .opus, ..., any case).
bool has_audio_name(const fs::path& path);

}  // namespace earshot
