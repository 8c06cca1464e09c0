// Batch assembly (paper 2.4): for each example the weighted sum of up to four placed clips. A
// placement rolls a clip circularly, then either crops a window of it (longer clips) or lays copies
// of it into a window of padding (shorter clips).
//
// Sample t of the window, for a placement with copies at positions q_0 < q_1 < ...: the last copy
// with q_j <= t covers it where u = t - q_j < length, with sample (u - roll) mod length; elsewhere
// padding. A crop is one copy at position -start. On the spectrogram the same holds in columns,
// with positions and roll on its grid (ColumnGrid).
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace earshot {

/// One clip inside one example.
struct Placement {
  int64_t clip = 0;  // index into the source
  float weight = 1;
  int64_t roll = 0;        // samples, 0 <= roll < max(1, length)
  int32_t first_copy = 0;  // index into GatherPlan::positions
  int32_t copies = 1;
  /// The clip is this much louder: factor of its samples, and the same in dB, added to its log-mel
  /// (and to its floor, where that is the padding).
  float gain = 1, gain_db = 0;
};

/// A plan where the kernels read it.
struct GatherPlanView {
  const Placement* placements = nullptr;
  const int32_t* first_placement = nullptr;  // [examples + 1]
  const int64_t* positions = nullptr;
  int64_t examples = 0;
};

struct GatherPlan {
  std::vector<Placement> placements;
  std::vector<int32_t> first_placement;  // [n + 1]: example i has placements [i] ... [i + 1) - 1
  std::vector<int64_t> positions;        // of copies, in samples, ascending per placement
  int64_t examples() const { return static_cast<int64_t>(first_placement.size()) - 1; }
  GatherPlanView view() const {
    return {placements.data(), first_placement.data(), positions.data(), examples()};
  }
};

/// Where clips lie on the device: clip c has samples [offset[c], offset[c] + length[c]).
struct WaveSource {
  const int16_t* samples = nullptr;
  const int64_t* offset = nullptr;  // in samples
  const int64_t* length = nullptr;  // in samples
};
/// Columns of a spectrogram: one for 256 samples or, of clips that were resized in time, `to` for
/// every `from` of those.
struct ColumnGrid {
  int64_t to = 1, from = 1;
  /// The column at a position in samples: floor of position / 256 or, resized, the nearest to that.
  EARSHOT_HOST_DEVICE int64_t at(int64_t position) const {
    const int64_t column = position >> 8;
    if (to == from) return column;
    const int64_t twice = 2 * column * to + from;  // floor(column to / from + 1/2)
    return twice >= 0 ? twice / (2 * from) : -((2 * from - 1 - twice) / (2 * from));
  }
};
struct MelSource {
  const float* columns = nullptr;   // [frames, 128] per clip
  const int64_t* offset = nullptr;  // in floats
  const int64_t* frames = nullptr;
  const float* floor = nullptr;  // dB, per clip
  bool pad_with_floor = false;   // else 0.0
  int64_t native_columns = 0;    // assembled width, before the resize to the output's width
  ColumnGrid grid;
};

/// out [n, t] in -1 .. 1 (int16 / 32768).
void gather_wave(const GatherPlanView& plan, const WaveSource& source, int64_t t, float* out);

/// out [n, 128, w]: the assembled [native_columns, 128] resized linearly in time (half-pixel
/// centres, no antialiasing) and transposed.
void gather_mel(const GatherPlanView& plan, const MelSource& source, int64_t w, float* out);

/// Resizes columns [native, 128] to out [128, w]: column x reads at (x + 1/2) native / w - 1/2,
/// clamped to the ends.
void resize_columns(const float* columns, int64_t native, int64_t w, float* out);

/// out [w, 128]: column x reads columns [native, 128] at (x + 1/2) ratio - 1/2, clamped to the
/// ends.
void stretch_columns(const float* columns, int64_t native, double ratio, int64_t w, float* out);

// On a CUDA device: pointers are the device's.
namespace cuda {
void gather_wave(const GatherPlanView& plan, const WaveSource& source, int64_t t, float* out,
                 Stream stream);
void gather_mel(const GatherPlanView& plan, const MelSource& source, int64_t w, float* out,
                Stream stream);
}  // namespace cuda

}  // namespace earshot
