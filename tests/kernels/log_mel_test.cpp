#include "kernels/log_mel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>

#include "tests/reference/values.h"

namespace earshot {
namespace {

constexpr int kFft = 2048;
constexpr int kBins = 1025;
constexpr int kBands = 128;
constexpr double kPi = std::numbers::pi;
constexpr double kEpsilon = std::numeric_limits<float>::epsilon();

double slaney_hz(double mel) {
  return mel < 15.0 ? mel * 200.0 / 3.0 : 1000.0 * std::pow(6.4, (mel - 15.0) / 27.0);
}

/// Triangle of band b at frequency f, of area 1: the definition in double.
double triangle(int b, double f) {
  const double top = 15.0 + 27.0 * std::log(22.05) / std::log(6.4);  // mel of 22,050 Hz
  const double left = slaney_hz(top * b / 129.0);
  const double peak = slaney_hz(top * (b + 1) / 129.0);
  const double right = slaney_hz(top * (b + 2) / 129.0);
  const double height = 2.0 / (right - left);
  if (f <= left || f >= right) return 0.0;
  return height * (f < peak ? (f - left) / (peak - left) : (right - f) / (right - peak));
}

/// Position after walking |i| steps and turning back at both ends, step by step.
int64_t walk(int64_t i, int64_t n) {
  if (n == 1) return 0;
  while (i < 0 || i >= n) i = i < 0 ? -i : 2 * (n - 1) - i;
  return i;
}

struct Expected {
  double mel = 0.0;    // mel power
  double error = 0.0;  // what float32 may change in it
};

/// Mel powers of frame t by the definition: DFT as a sum, in double.
std::vector<Expected> reference_frame(const std::vector<float>& samples, int64_t t) {
  std::vector<double> frame(kFft);
  double energy = 0.0;
  for (int i = 0; i < kFft; ++i) {
    const double hann = 0.5 - 0.5 * std::cos(2.0 * kPi * i / kFft);
    frame[i] = hann * samples[walk(256 * t - kFft / 2 + i, static_cast<int64_t>(samples.size()))];
    energy += frame[i] * frame[i];
  }
  std::vector<double> cosine(kFft);
  for (int i = 0; i < kFft; ++i) cosine[i] = std::cos(2.0 * kPi * i / kFft);
  // A float FFT of N points errs by about eps log2(N) |x| in each bin; twice that for the twiddles.
  const double bin_error = 2.0 * kEpsilon * std::log2(kFft) * std::sqrt(energy);
  std::vector<double> power(kBins);
  std::vector<double> power_error(kBins);
  for (int k = 0; k < kBins; ++k) {
    double re = 0.0;
    double im = 0.0;
    for (int i = 0; i < kFft; ++i) {
      const int phase = k * i % kFft;
      re += frame[i] * cosine[phase];
      im += frame[i] * cosine[(phase + kFft / 4) % kFft];
    }
    power[k] = re * re + im * im;
    power_error[k] = 2.0 * std::sqrt(power[k]) * bin_error + bin_error * bin_error;
  }
  std::vector<Expected> out(kBands);
  for (int b = 0; b < kBands; ++b) {
    int terms = 0;
    for (int k = 0; k < kBins; ++k) {
      const double w = triangle(b, k * 44100.0 / kFft);
      out[b].mel += w * power[k];
      out[b].error += w * power_error[k];
      terms += w > 0.0;
    }
    out[b].error += (terms + 4) * kEpsilon * out[b].mel;
  }
  return out;
}

struct Reference {
  std::vector<double> value;      // dB, [frames, 128]
  std::vector<double> tolerance;  // dB
  double floor = 0.0;
};

Reference reference(const std::vector<float>& samples, const LogMelSettings& settings) {
  Reference out;
  const int64_t frames = 1 + static_cast<int64_t>(samples.size()) / 256;
  double maximum = -1e300;
  double maximum_tolerance = 0.0;
  for (int64_t t = 0; t < frames; ++t) {
    for (const Expected& expected : reference_frame(samples, t)) {
      const double mel = std::max(settings.minimum, expected.mel);
      const double db = settings.multiplier * std::log10(mel);
      const double slope =
          settings.multiplier / std::log(10.0) / std::max(mel - expected.error, settings.minimum);
      const double tolerance = slope * expected.error + 4.0 * kEpsilon * (std::abs(db) + 1.0);
      out.value.push_back(db);
      out.tolerance.push_back(tolerance);
      if (db > maximum) {
        maximum = db;
        maximum_tolerance = tolerance;
      }
    }
  }
  out.floor = maximum - settings.range;
  for (size_t i = 0; i < out.value.size(); ++i) {
    out.value[i] = std::max(out.floor, out.value[i]);
    out.tolerance[i] = std::max(out.tolerance[i], maximum_tolerance);
  }
  return out;
}

std::vector<float> extract(const std::vector<float>& samples, const LogMelSettings& settings,
                           float* floor = nullptr) {
  LogMel extractor(settings);
  std::vector<float> out((1 + samples.size() / 256) * kBands);
  const float low = extractor.extract(samples, out.data());
  if (floor) *floor = low;
  return out;
}

/// A chirp over noise, loud at the start, quiet at the end.
std::vector<float> chirp(int length) {
  std::vector<float> out = random_values(length, 1);
  for (int i = 0; i < length; ++i) {
    const double t = i / 44100.0;
    const double gain = std::exp(-6.0 * i / length);
    out[i] = static_cast<float>(gain * (0.2 * out[i] + 0.5 * std::sin(2e3 * t * (1.0 + 20.0 * t))));
  }
  return out;
}

const LogMelSettings kAmplitude{};
const LogMelSettings kPower{.multiplier = 10.0, .minimum = 1e-10, .range = 80.0};

class LogMelLength : public testing::TestWithParam<int> {};

TEST_P(LogMelLength, AgreesWithTheDefinition) {
  const std::vector<float> samples = chirp(GetParam());
  for (const LogMelSettings& settings : {kAmplitude, kPower}) {
    const Reference expected = reference(samples, settings);
    float floor = 0.0f;
    const std::vector<float> got = extract(samples, settings, &floor);
    ASSERT_EQ(got.size(), expected.value.size());
    double used = 0.0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double error = std::abs(got[i] - expected.value[i]);
      ASSERT_LE(error, expected.tolerance[i]) << "frame " << i / kBands << " band " << i % kBands;
      used = std::max(used, error / expected.tolerance[i]);
    }
    EXPECT_NEAR(floor, expected.floor, 1e-3);
    RecordProperty("share_of_tolerance", std::to_string(used));
  }
}

INSTANTIATE_TEST_SUITE_P(Awkward, LogMelLength,
                         testing::Values(1, 2, 3, 255, 256, 511, 1023, 1024, 1025, 2049, 44100));

TEST(LogMel, FloorIsEightyBelowTheClipsMaximum) {
  std::vector<float> samples = chirp(30000);
  std::fill(samples.begin() + 10000, samples.end(), 0.0f);
  float floor = 0.0f;
  const std::vector<float> got = extract(samples, kAmplitude, &floor);
  EXPECT_EQ(*std::min_element(got.begin(), got.end()), floor);
  EXPECT_EQ(*std::max_element(got.begin(), got.end()) - 80.0f, floor);
}

TEST(LogMel, SilenceIsTheMinimum) {
  float floor = 0.0f;
  for (const float value : extract(std::vector<float>(5000, 0.0f), kAmplitude, &floor)) {
    ASSERT_EQ(value, -100.0f);  // 20 log10(1e-5)
  }
  EXPECT_EQ(floor, -180.0f);
}

TEST(LogMel, OneExtractorGivesTheSameBitsAgain) {
  LogMel extractor(kAmplitude);
  const std::vector<float> a = chirp(3000);
  const std::vector<float> other = chirp(77);
  std::vector<float> first((1 + a.size() / 256) * kBands);
  std::vector<float> second(first.size());
  std::vector<float> between(kBands);
  extractor.extract(a, first.data());
  extractor.extract(other, between.data());
  extractor.extract(a, second.data());
  EXPECT_EQ(first, second);
}

TEST(LogMel, BitsDoNotDependOnTheInstructionSetOrTheFramesBeside) {
  const std::vector<float> samples = chirp(40 * 256 + 100);
  const LogMelSettings settings{.range = 1000.0};  // no value at the floor, which is the clip's
  std::vector<float> narrow(41 * kBands), wide(narrow.size()), shorter(narrow.size());
  LogMel(settings, Simd::kAvx2).extract(samples, narrow.data());
  LogMel(settings, best_simd()).extract(samples, wide.data());
  EXPECT_EQ(narrow, wide);
  // Three hops less in front move every frame to another lane.
  LogMel(settings).extract(std::span(samples).subspan(3 * 256), shorter.data());
  for (int64_t t = 8; t < 34; ++t)
    for (int64_t b = 0; b < kBands; ++b)
      ASSERT_EQ(narrow[t * kBands + b], shorter[(t - 3) * kBands + b]) << t << " " << b;
}

TEST(MelFilterBank, IsTheSlaneyFormula) {
  const std::vector<float> bank = mel_filter_bank();
  ASSERT_EQ(bank.size(), size_t{kBands} * kBins);
  for (int b = 0; b < kBands; ++b) {
    for (int k = 0; k < kBins; ++k) {
      // Slopes steeper than 1e-3 per Hz turn the rounding of a corner (1e-11 Hz) into 1e-14.
      ASSERT_NEAR(bank[b * kBins + k], triangle(b, k * 44100.0 / kFft), 2.0 * kEpsilon * 0.04)
          << "band " << b << " bin " << k;
    }
  }
}

TEST(MelFilterBank, WideTrianglesHaveAreaOne) {
  const std::vector<float> bank = mel_filter_bank();
  for (int b = 100; b < kBands; ++b) {  // many bins wide: the sum is close to the integral
    double area = 0.0;
    for (int k = 0; k < kBins; ++k) area += bank[b * kBins + k] * 44100.0 / kFft;
    EXPECT_NEAR(area, 1.0, 5e-3) << "band " << b;
  }
}

}  // namespace
}  // namespace earshot
