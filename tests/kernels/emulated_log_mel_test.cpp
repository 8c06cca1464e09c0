// The device's front end with an FFT of the test's own between the kernels, against the CPU's.
#include <gtest/gtest.h>

#include <complex>
#include <numbers>

#include "kernels/gather.h"
#include "kernels/log_mel.h"
#include "tests/emulator/emulator.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot {
namespace {

using emulator::InOut;
using emulator::Input;
using emulator::Output;

constexpr int64_t kFft = 2048, kBins = 1025, kBands = 128;

using Complex = std::complex<double>;

/// DFT of the n values x[0], x[stride], ... -> out [n]; n is a power of 2.
void transform(const float* x, size_t n, size_t stride, Complex* out) {
  if (n == 1) {
    *out = *x;
    return;
  }
  transform(x, n / 2, 2 * stride, out);
  transform(x + stride, n / 2, 2 * stride, out + n / 2);
  for (size_t k = 0; k < n / 2; ++k) {
    const double angle = -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
    const Complex even = out[k], odd = std::polar(1.0, angle) * out[k + n / 2];
    out[k] = even + odd;
    out[k + n / 2] = even - odd;
  }
}

std::vector<float> spectra(const std::vector<float>& frames) {
  std::vector<Complex> bins(kFft);
  std::vector<float> out;
  for (size_t row = 0; row < frames.size(); row += kFft) {
    transform(&frames[row], kFft, 1, bins.data());
    for (int64_t k = 0; k < kBins; ++k) {
      out.push_back(static_cast<float>(bins[k].real()));
      out.push_back(static_cast<float>(bins[k].imag()));
    }
  }
  return out;
}

struct FrontEnd {
  LogMelSettings settings;
  int64_t n, t, w;

  std::vector<float> on_emulator(const std::vector<float>& wave) const {
    const int64_t frames = 1 + t / 256;
    const MelBank bank = mel_bank();
    const Input<float> on_wave("wave", wave), window("window", hann_window()),
        weights("mel weights", bank.weights);
    const Input<MelTriangle> triangles("triangles", bank.triangles);
    Output<float> cut("frames", n * frames * kFft), db("db", n * frames * kBands),
        maxima("maxima", n), out("log-mel", n * kBands * w);
    cuda::log_mel_frames(n, t, on_wave.data(), window.data(), cut.data(), nullptr);
    const Input<float> spectrum("spectrum", spectra(cut.values()));
    cuda::log_mel_bands(n, frames, spectrum.data(), settings, {triangles.data(), weights.data()},
                        db.data(), maxima.data(), nullptr);
    cuda::log_mel_resize(n, frames, w, settings, db.data(), maxima.data(), out.data(), nullptr);
    return out.values();
  }

  std::vector<double> on_cpu(const std::vector<float>& wave) const {
    const int64_t frames = 1 + t / 256;
    std::vector<double> all;
    LogMel extractor(settings);
    for (int64_t i = 0; i < n; ++i) {
      std::vector<float> columns(static_cast<size_t>(frames * kBands));
      std::vector<float> out(static_cast<size_t>(w * kBands));
      extractor.extract(std::span(wave).subspan(static_cast<size_t>(i * t), static_cast<size_t>(t)),
                        columns.data());
      resize_columns(columns.data(), frames, w, out.data());
      all.insert(all.end(), out.begin(), out.end());
    }
    return all;
  }
};

TEST(EmulatedLogMel, IsTheCpus) {
  const LogMelSettings amplitude, power{10.0, 1e-10, 80.0};
  for (const FrontEnd& f :
       {FrontEnd{amplitude, 1, 1, 1}, FrontEnd{power, 2, 2, 3}, FrontEnd{amplitude, 3, 1023, 5},
        FrontEnd{power, 2, 4097, 33}, FrontEnd{amplitude, 1, 9000, 70}}) {
    std::vector<float> wave = random_values(f.n * f.t, 1);
    for (size_t i = wave.size() / 3; i < wave.size() / 2; ++i) wave[i] *= 1e-6f;  // to the floor
    const std::vector<double> expected = f.on_cpu(wave);
    // The same float32 spectra; a power's sum may be ordered otherwise (relative error, at most
    // 20 / ln 10 dB of it), and values up to 200 dB round, through the resize too.
    const double g = growth(kBins) * 8.7 + growth(4) * 200;
    expect_close(f.on_emulator(wave), expected,
                 rounding(g, std::vector<double>(expected.size(), 1.0)), "log-mel");
  }
}

/// Clips of any length, cut a few frames at a time.
TEST(EmulatedLogMel, ClipsAreThoseOfEachAlone) {
  const LogMelSettings settings;
  std::vector<int16_t> samples;
  std::vector<int64_t> first_sample{0}, first_frame{0};
  std::vector<double> expected, expected_floors;
  LogMel extractor(settings);
  for (const int64_t length : {3000, 1, 1023, 256, 4097}) {
    std::vector<float> wave;
    for (const float x : random_values(length, static_cast<uint32_t>(length), -30000, 30000)) {
      samples.push_back(static_cast<int16_t>(length > 4000 && wave.size() > 2500 ? 0 : x));
      wave.push_back(static_cast<float>(samples.back()) / 32768.0f);
    }
    first_sample.push_back(first_sample.back() + length);
    first_frame.push_back(first_frame.back() + 1 + length / 256);
    std::vector<float> columns(static_cast<size_t>((1 + length / 256) * kBands));
    expected_floors.push_back(static_cast<double>(extractor.extract(wave, columns.data())));
    expected.insert(expected.end(), columns.begin(), columns.end());
  }
  const auto n = static_cast<int64_t>(expected_floors.size());
  const int64_t frames = first_frame.back(), rows = 7;
  const MelBank bank = mel_bank();
  const Input<int16_t> on_samples("samples", samples);
  const Input<int64_t> on_first_sample("first samples", first_sample),
      on_first_frame("first frames", first_frame);
  const Input<float> window("window", hann_window()), weights("mel weights", bank.weights);
  const Input<MelTriangle> triangles("triangles", bank.triangles);
  const MelClips clips{on_samples.data(), on_first_sample.data(), on_first_frame.data(), n};
  std::vector<float> all;
  for (int64_t first = 0; first < frames; first += rows) {
    const int64_t count = std::min(rows, frames - first);
    Output<float> cut("frames", count * kFft), db("db", count * kBands);
    cuda::log_mel_clip_frames(clips, first, count, window.data(), cut.data(), nullptr);
    const Input<float> spectrum("spectrum", spectra(cut.values()));
    cuda::log_mel_clip_bands(count, spectrum.data(), settings, {triangles.data(), weights.data()},
                             db.data(), nullptr);
    const std::vector<float> values = db.values();
    all.insert(all.end(), values.begin(), values.end());
  }
  InOut<float> db("db", all);
  Output<float> floor("floor", n);
  cuda::log_mel_clip_floor(clips, settings, db.data(), floor.data(), nullptr);
  const double g = growth(kBins) * 8.7 + growth(4) * 200;
  expect_close(db.values(), expected, rounding(g, std::vector<double>(expected.size(), 1.0)),
               "log-mel of clips");
  expect_close(floor.values(), expected_floors,
               rounding(g, std::vector<double>(expected_floors.size(), 1.0)), "floors of clips");
}

}  // namespace
}  // namespace earshot
