// Batch assembly through a backend: sources on the device, the kernels' own functions (proven in
// tests/kernels) as the definition.
#include <gtest/gtest.h>

#include "tests/engine/backend_fixture.h"

namespace earshot {
namespace {

/// A plan on the device.
struct PlanOnDevice {
  OnDevice<Placement> placements;
  OnDevice<int32_t> first_placement;
  OnDevice<int64_t> positions;
  PlanOnDevice(Backend& backend, const GatherPlan& plan)
      : placements(backend, plan.placements),
        first_placement(backend, plan.first_placement),
        positions(backend, plan.positions) {}
  GatherPlanView view() const {
    return {placements.data(), first_placement.data(), positions.data(),
            static_cast<int64_t>(first_placement.size()) - 1};
  }
};

class BatchAssembly : public BackendTest {
 protected:
  BatchAssembly() {
    for (const int64_t clip : {3000, 257, 7000}) {
      offset.push_back(static_cast<int64_t>(samples.size()));
      length.push_back(clip);
      mel_offset.push_back(static_cast<int64_t>(columns.size()));
      frames.push_back(1 + clip / 256);
      for (const float x : random_values(clip, uint32_t(clip), -30000, 30000))
        samples.push_back(static_cast<int16_t>(x));
      for (const float x : random_values(frames.back() * 128, uint32_t(clip + 1), -90, 30))
        columns.push_back(x);
    }
    // A rolled crop and three copies blended; a clip alone.
    plan.placements = {{2, 0.7f, 512, 0, 1}, {1, 0.3f, 100, 1, 3}, {0, 1.0f, 0, 4, 1}};
    plan.positions = {-768, 0, 256, 1024, 512};
    plan.first_placement = {0, 2, 3};
  }
  std::vector<int16_t> samples;
  std::vector<float> columns, floor{-60, -70, -80};
  std::vector<int64_t> offset, length, mel_offset, frames;
  GatherPlan plan;
};

TEST_P(BatchAssembly, WavesAreGathered) {
  const int64_t window = 4099;
  const OnDevice device_samples(backend(), samples);
  const OnDevice device_offset(backend(), offset), device_length(backend(), length);
  GuardedTensor out(backend(), {2, 1, window, 1}, "wave");
  const PlanOnDevice device_plan(backend(), plan);
  backend().gather_wave(device_plan.view(),
                        {device_samples.data(), device_offset.data(), device_length.data()}, out);
  std::vector<float> expected(size_t(2 * window));
  gather_wave(plan.view(), {samples.data(), offset.data(), length.data()}, window, expected.data());
  expect_close(out.get(), widen(expected),
               rounding(growth(2), std::vector<double>(expected.size(), 1.0)), "gathered waves");
}

TEST_P(BatchAssembly, LogMelsAreGatheredAndResized) {
  const int64_t native = 17, w = 15;
  const OnDevice device_columns(backend(), columns), device_floor(backend(), floor);
  const OnDevice device_offset(backend(), mel_offset), device_frames(backend(), frames);
  const PlanOnDevice device_plan(backend(), plan);
  for (const bool pad : {false, true}) {
    GuardedTensor out(backend(), {2, 128, w, 1}, "mel");
    backend().gather_mel(device_plan.view(),
                         {device_columns.data(),
                          device_offset.data(),
                          device_frames.data(),
                          device_floor.data(),
                          pad,
                          native,
                          {}},
                         out);
    std::vector<float> expected(size_t(2 * 128 * w));
    gather_mel(plan.view(),
               {columns.data(), mel_offset.data(), frames.data(), floor.data(), pad, native, {}}, w,
               expected.data());
    expect_close(out.get(), widen(expected),
                 rounding(growth(4), std::vector<double>(expected.size(), 90.0)),
                 "gathered log-mels");
  }
}

TEST_P(BatchAssembly, LogMelsAreExtractedFromEachWave) {
  const int64_t n = 3, t = 5000, w = 11, native = 1 + t / 256;
  const std::vector<float> values = random_values(n * t, 9);
  GuardedTensor wave(backend(), {n, 1, t, 1}, "wave", values);
  GuardedTensor out(backend(), {n, 128, w, 1}, "mel");
  for (const LogMelSettings settings : {LogMelSettings{}, LogMelSettings{10.0, 1e-10, 80.0}}) {
    backend().log_mel(wave, settings, out);
    LogMel extractor(settings);
    std::vector<float> mel(size_t(native * 128)), expected(size_t(n * 128 * w));
    for (int64_t i = 0; i < n; ++i) {
      extractor.extract({values.data() + i * t, size_t(t)}, mel.data());
      resize_columns(mel.data(), native, w, expected.data() + i * 128 * w);
    }
    // A mel power sums up to 2048 x 1025 products; its relative error moves dB by 20 / ln 10.
    expect_close(
        out.get(), widen(expected),
        rounding(growth(2048) * 20 / std::log(10.0), std::vector<double>(expected.size(), 10.0)),
        "extracted log-mels");
  }
}

TEST_P(BatchAssembly, LogMelsOfClipsAreThoseOfEachAlone) {
  for (const LogMelSettings settings : {LogMelSettings{}, LogMelSettings{10.0, 1e-10, 80.0}}) {
    ClipsLogMel t{{}, settings, {}, nullptr};
    std::vector<std::vector<float>> got, expected;
    std::vector<float> floors(offset.size(), 99.0f), expected_floors;
    for (size_t i = 0; i < offset.size(); ++i) {
      t.samples.emplace_back(samples.data() + offset[i], size_t(length[i]));
      got.emplace_back(size_t(frames[i] * 128), 99.0f);
      expected.emplace_back(got.back().size());
      std::vector<float> wave(t.samples[i].begin(), t.samples[i].end());
      for (float& x : wave) x /= 32768.0f;
      expected_floors.push_back(LogMel(settings).extract(wave, expected.back().data()));
    }
    for (auto& columns_of_clip : got) t.columns.push_back(columns_of_clip.data());
    t.floor = floors.data();
    backend().log_mel_clips(t);
    const double g = growth(2048) * 20 / std::log(10.0) * 10;
    expect_close(floors, widen(expected_floors),
                 rounding(g, std::vector<double>(floors.size(), 1.0)), "floors of clips");
    for (size_t i = 0; i < got.size(); ++i)
      expect_close(got[i], widen(expected[i]), rounding(g, std::vector<double>(got[i].size(), 1.0)),
                   "log-mels of clips");
  }
  backend().log_mel_clips({});  // no clips: nothing to do
}

TEST_P(BatchAssembly, AnOutputOfAnotherSizeIsNamed) {
  GuardedTensor out(backend(), {3, 1, 100, 1}, "three waves");
  try {
    backend().gather_wave(plan.view(), {}, out);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("three waves"), std::string::npos) << error.what();
  }
}

EARSHOT_ALL_BACKENDS(BatchAssembly);

}  // namespace
}  // namespace earshot
