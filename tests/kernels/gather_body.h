// The tests of batch assembly, for every form of it: against its definition, cell by cell
// (kernels/gather.h, second paragraph).
#pragma once

#include <gtest/gtest.h>

#include <optional>

#include "kernels/gather.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot::gather_body {

/// Everything lies on the host.
struct GatherCalls {
  void (*wave)(const GatherPlan& plan, const WaveSource& source, int64_t t, float* out);
  void (*mel)(const GatherPlan& plan, const MelSource& source, int64_t w, float* out);
};

using Values = std::vector<double>;

constexpr int64_t kBands = 128;

/// Cell of the clip at cell `t` of the window; none: padding.
inline std::optional<int64_t> cell_at(int64_t t, const GatherPlan& plan, const Placement& p,
                                      int64_t unit, int64_t length, ColumnGrid grid = {}) {
  const auto cell = [&](int64_t position) {
    const double whole = std::floor(double(position) / double(unit));
    return static_cast<int64_t>(
        grid.to == grid.from ? whole
                             : std::floor(whole * double(grid.to) / double(grid.from) + 0.5));
  };
  std::optional<int64_t> found;
  for (int32_t j = 0; j < p.copies; ++j) {
    const int64_t q = cell(plan.positions[p.first_copy + j]);
    if (q > t) break;
    const int64_t u = t - q;  // the last copy that starts at or before t
    found.reset();
    if (u < length) found = (((u - cell(p.roll)) % length) + length) % length;
  }
  return found;
}

/// out [128, w] of columns [native, 128], by the definition.
inline Values resized(const Values& columns, int64_t native, int64_t w) {
  Values out(static_cast<size_t>(kBands * w));
  for (int64_t band = 0; band < kBands; ++band)
    for (int64_t x = 0; x < w; ++x) {
      double at = (double(x) + 0.5) * double(native) / double(w) - 0.5;
      at = std::min(std::max(at, 0.0), double(native - 1));
      for (int64_t k = 0; k < native; ++k)  // a tent of width 1 around each column
        out[band * w + x] +=
            std::max(0.0, 1 - std::abs(at - double(k))) * columns[k * kBands + band];
    }
  return out;
}

/// Six clips of odd lengths, one of them empty.
class GatherBody {
 public:
  explicit GatherBody(const GatherCalls& form) : calls(form) {
    for (const int64_t clip_length : {1000, 257, 0, 5000, 1, 2560}) {
      offset.push_back(static_cast<int64_t>(samples.size()));
      length.push_back(clip_length);
      mel_offset.push_back(static_cast<int64_t>(mel.size()));
      frames.push_back(clip_length == 0 ? 0 : 1 + clip_length / 256);
      const auto name = static_cast<uint32_t>(length.size());
      for (const float x : random_values(clip_length, name, -32768, 32768))
        samples.push_back(static_cast<int16_t>(std::floor(x)));
      for (const float x : random_values(frames.back() * kBands, 50 + name, -100, 40))
        mel.push_back(x);
      floor.push_back(-20.0f * static_cast<float>(name));
    }
  }
  void wave_is_its_definition() {
    fill_plan();
    for (const int64_t window : {1, 255, 2048, 4097}) {
      std::vector<float> out(static_cast<size_t>(plan.examples() * window), 99.0f);
      calls.wave(plan, waves(), window, out.data());
      const Values expected = expected_wave(window);
      expect_close(out, expected, rounding(growth(4), Values(out.size(), 1.0)), "gathered waves");
    }
  }

  void mel_is_its_definition_for_both_paddings() {
    fill_plan();
    for (const bool pad : {false, true})
      for (const auto& [native, w] :
           {std::pair<int64_t, int64_t>{9, 9}, {13, 10}, {8, 17}, {1, 3}}) {
        std::vector<float> out(static_cast<size_t>(plan.examples() * kBands * w), 99.0f);
        calls.mel(plan, mels(native, pad), w, out.data());
        const Values columns = expected_columns(native, pad);
        Values expected;
        for (int64_t i = 0; i < plan.examples(); ++i) {
          const auto from = columns.begin() + i * native * kBands;
          const Values each = resized({from, from + native * kBands}, native, w);
          expected.insert(expected.end(), each.begin(), each.end());
        }
        expect_close(out, expected, rounding(growth(4), Values(out.size(), 120.0)),
                     "gathered log-mels");
      }
  }

  /// Of clips that were resized before: 7 columns for every 9.
  void mel_keeps_to_the_grid_of_resized_clips() {
    fill_plan();
    for (const int64_t w : {1, 9, 17}) {
      std::vector<float> out(static_cast<size_t>(plan.examples() * kBands * w), 99.0f);
      MelSource source = mels(w, /*pad=*/true);
      source.grid = {7, 9};
      calls.mel(plan, source, w, out.data());
      const Values columns = expected_columns(w, /*pad=*/true, source.grid);
      Values expected;
      for (int64_t i = 0; i < plan.examples(); ++i)
        for (int64_t band = 0; band < kBands; ++band)
          for (int64_t x = 0; x < w; ++x) expected.push_back(columns[(i * w + x) * kBands + band]);
      expect_close(out, expected, rounding(growth(4), Values(out.size(), 120.0)),
                   "gathered log-mels of resized clips");
    }
  }

  void an_empty_clip_is_padding() {
    place(2, 1, 0, {0});
    end_example();
    std::vector<float> wave(512, 99.0f), columns(2 * kBands, 99.0f);
    calls.wave(plan, waves(), 512, wave.data());
    calls.mel(plan, mels(2, /*pad=*/true), 2, columns.data());
    for (const float x : wave) EXPECT_EQ(x, 0.0f);
    for (const float x : columns) EXPECT_EQ(x, floor[2]);
  }

 private:
  void place(int64_t clip, float weight, int64_t roll, std::vector<int64_t> positions,
             float gain = 1, float gain_db = 0) {
    plan.placements.push_back({clip, weight, roll, static_cast<int32_t>(plan.positions.size()),
                               static_cast<int32_t>(positions.size()), gain, gain_db});
    plan.positions.insert(plan.positions.end(), positions.begin(), positions.end());
  }
  void end_example() { plan.first_placement.push_back(int32_t(plan.placements.size())); }

  /// Crops, copies that overlap, touch and leave gaps, positions outside, up to four clips.
  void fill_plan() {
    place(0, 1, 0, {0});
    end_example();
    place(3, 0.75f, 1234, {-256});  // a crop, rolled
    place(1, 0.25f, 100, {0, 256, 512, 1536}, 2.0f, 6.0f);
    end_example();
    place(5, 0.5f, 2559, {-2304, 0, 256}, 0.5f, -6.0f);
    place(2, 0.5f, 0, {512});  // the empty clip
    end_example();
    place(4, 0.1f, 0, {0, 0, 256});
    place(0, 0.2f, 999, {1280, 1280, 1792});
    place(3, 0.3f, 4999, {-3072});
    place(5, 0.4f, 1, {-5120});  // wholly before the window
    end_example();
    place(2, 1, 0, {0});
    end_example();
    place(1, 1, 256, {2048});  // wholly behind it
    end_example();
  }

  WaveSource waves() const { return {samples.data(), offset.data(), length.data()}; }
  MelSource mels(int64_t native, bool pad) const {
    return {mel.data(), mel_offset.data(), frames.data(), floor.data(), pad, native, {}};
  }

  Values expected_wave(int64_t window) const {
    Values out;
    for (int64_t i = 0; i < plan.examples(); ++i)
      for (int64_t t = 0; t < window; ++t) {
        double sum = 0;
        for (int32_t k = plan.first_placement[i]; k < plan.first_placement[i + 1]; ++k) {
          const Placement& p = plan.placements[k];
          if (const auto cell = cell_at(t, plan, p, 1, length[p.clip]))
            sum += double(p.weight) * double(p.gain) * samples[offset[p.clip] + *cell] / 32768.0;
        }
        out.push_back(sum);
      }
    return out;
  }
  /// [n, native, 128] before the resize.
  Values expected_columns(int64_t native, bool pad, ColumnGrid grid = {}) const {
    Values out;
    for (int64_t i = 0; i < plan.examples(); ++i)
      for (int64_t t = 0; t < native; ++t)
        for (int64_t band = 0; band < kBands; ++band) {
          double sum = 0;
          for (int32_t k = plan.first_placement[i]; k < plan.first_placement[i + 1]; ++k) {
            const Placement& p = plan.placements[k];
            const auto cell = cell_at(t, plan, p, 256, frames[p.clip], grid);
            const double louder = double(p.gain_db);
            const double padding = pad ? double(floor[p.clip]) + louder : 0.0;
            sum +=
                double(p.weight) *
                (cell ? double(mel[mel_offset[p.clip] + *cell * kBands + band]) + louder : padding);
          }
          out.push_back(sum);
        }
    return out;
  }

  GatherCalls calls;
  std::vector<int16_t> samples;
  std::vector<float> mel, floor;
  std::vector<int64_t> offset, length, mel_offset, frames;
  GatherPlan plan{{}, {0}, {}};
};

}  // namespace earshot::gather_body
