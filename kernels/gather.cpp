#include "kernels/gather.h"

#include <algorithm>
#include <functional>

namespace earshot {
namespace {

constexpr int64_t kBands = 128;

/// A run of cells of the window that copy the same consecutive cells of the clip.
struct Run {
  int64_t to, from, count;
};

/// Calls `covered(Run)` for every stretch that a copy covers and `gap(begin, end)` for the rest,
/// in order. All but the positions in cells, samples or columns; `cell` makes one of a position.
template <typename Cell, typename Covered, typename Gap>
void walk(const int64_t* positions, int64_t copies, const Cell& cell, int64_t length, int64_t roll,
          int64_t window, const Covered& covered, const Gap& gap) {
  int64_t done = 0;
  for (int64_t j = 0; j < copies && done < window; ++j) {
    const int64_t q = cell(positions[j]);
    const int64_t next = j + 1 < copies ? cell(positions[j + 1]) : window;
    const int64_t begin = std::max<int64_t>(q, 0);
    const int64_t end = std::min({q + length, next, window});
    if (begin >= end) continue;
    if (begin > done) gap(done, begin);
    for (int64_t t = begin; t < end;) {
      const int64_t from = ((t - q - roll) % length + length) % length;
      const int64_t count = std::min(end - t, length - from);
      covered(Run{t, from, count});
      t += count;
    }
    done = end;
  }
  if (done < window) gap(done, window);
}

/// Where column x of a resize reads: t of the way from column left to column right.
struct Between {
  Between(int64_t x, double ratio, int64_t native) {
    const double at = std::clamp((static_cast<double>(x) + 0.5) * ratio - 0.5, 0.0,
                                 static_cast<double>(native - 1));
    left = static_cast<int64_t>(at);
    right = std::min(left + 1, native - 1);
    t = static_cast<float>(at - static_cast<double>(left));
  }
  int64_t left, right;
  float t;
};

}  // namespace

void gather_wave(const GatherPlanView& plan, const WaveSource& source, int64_t window, float* out) {
  const int64_t n = plan.examples;
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; ++i) {
    float* to = out + i * window;
    std::fill_n(to, window, 0.0f);
    for (int32_t k = plan.first_placement[i]; k < plan.first_placement[i + 1]; ++k) {
      const Placement& p = plan.placements[k];
      const int16_t* clip = source.samples + source.offset[p.clip];
      const float scale = p.weight * p.gain / 32768.0f;
      const auto covered = [&](const Run& run) {
#pragma omp simd
        for (int64_t t = 0; t < run.count; ++t)
          to[run.to + t] += scale * static_cast<float>(clip[run.from + t]);
      };
      walk(plan.positions + p.first_copy, p.copies, std::identity{}, source.length[p.clip], p.roll,
           window, covered, [](int64_t, int64_t) {});
    }
  }
}

void gather_mel(const GatherPlanView& plan, const MelSource& source, int64_t w, float* out) {
  const int64_t n = plan.examples, native = source.native_columns;
  const auto cell = [&](int64_t position) { return source.grid.at(position); };
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < n; ++i) {
    std::vector<float> columns(native * kBands, 0.0f);
    for (int32_t k = plan.first_placement[i]; k < plan.first_placement[i + 1]; ++k) {
      const Placement& p = plan.placements[k];
      const float* clip = source.columns + source.offset[p.clip];
      const int64_t frames = source.frames[p.clip];
      const float pad =
          source.pad_with_floor ? p.weight * (source.floor[p.clip] + p.gain_db) : 0.0f;
      const auto covered = [&](const Run& run) {
        float* to = &columns[run.to * kBands];
        const float* from = clip + run.from * kBands;
#pragma omp simd
        for (int64_t x = 0; x < run.count * kBands; ++x) to[x] += p.weight * (from[x] + p.gain_db);
      };
      const auto gap = [&](int64_t begin, int64_t end) {
        for (int64_t x = begin * kBands; x < end * kBands; ++x) columns[x] += pad;
      };
      const int64_t roll = frames > 0 ? source.grid.at(p.roll) % frames : 0;
      walk(plan.positions + p.first_copy, p.copies, cell, frames, roll, native, covered, gap);
    }
    resize_columns(columns.data(), native, w, out + i * kBands * w);
  }
}

void resize_columns(const float* columns, int64_t native, int64_t w, float* out) {
  const double ratio = static_cast<double>(native) / static_cast<double>(w);
  for (int64_t x = 0; x < w; ++x) {
    const Between at(x, ratio, native);
    const float* a = columns + at.left * kBands;
    const float* b = columns + at.right * kBands;
    for (int64_t m = 0; m < kBands; ++m) out[m * w + x] = a[m] + at.t * (b[m] - a[m]);
  }
}

void stretch_columns(const float* columns, int64_t native, double ratio, int64_t w, float* out) {
  for (int64_t x = 0; x < w; ++x) {
    const Between at(x, ratio, native);
    const float* a = columns + at.left * kBands;
    const float* b = columns + at.right * kBands;
    for (int64_t m = 0; m < kBands; ++m) out[x * kBands + m] = a[m] + at.t * (b[m] - a[m]);
  }
}

}  // namespace earshot
