// Silence at the ends of a clip (paper 2.2: "trimmed of silence"; librosa.effects.trim).
#pragma once

#include <cstdint>
#include <span>

namespace earshot {

/// The part of a clip that is kept: samples [begin, end).
struct Kept {
  int64_t begin = 0;
  int64_t end = 0;
  bool operator==(const Kept&) const = default;
};

/// Mean square of frames of 2,048 samples, hop 512, centred, continued by reflection; a frame is
/// sound where it lies less than `top_db` below the loudest frame (mean squares under 1e-10 count
/// as 1e-10). Kept: from the first sound frame's centre to 512 samples past the last one's.
/// An all-zero clip is kept whole; top_db 0 keeps everything.
Kept trim_silence(std::span<const float> samples, double top_db);

}  // namespace earshot
