#include "kernels/log_mel.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <numbers>

#include "kernels/reflect.h"

namespace earshot {
namespace {

constexpr int kFft = 2048;           // samples
constexpr int kHop = 256;            // samples
constexpr int kBins = kFft / 2 + 1;  // 1,025
constexpr int kBands = 128;
constexpr double kRate = 44100.0;     // Hz
constexpr double kTopHz = kRate / 2;  // upper edge of the last triangle
constexpr double kLinearMels = 15.0;  // Slaney: linear below 1,000 Hz = 15 mel ...
constexpr double kHzPerMel = 200.0 / 3.0;

double log_step() { return std::log(6.4) / 27.0; }  // ... logarithmic above

double hz_to_mel(double hz) {
  return hz < 1000.0 ? hz / kHzPerMel : kLinearMels + std::log(hz / 1000.0) / log_step();
}

double mel_to_hz(double mel) {
  return mel < kLinearMels ? mel * kHzPerMel : 1000.0 * std::exp(log_step() * (mel - kLinearMels));
}

/// Corners of the triangles in Hz: band b rises from [b], peaks at [b + 1], ends at [b + 2].
std::array<double, kBands + 2> corners() {
  std::array<double, kBands + 2> hz{};
  const double top = hz_to_mel(kTopHz);
  for (int i = 0; i < kBands + 2; ++i) hz[i] = mel_to_hz(top * i / (kBands + 1));
  return hz;
}

struct FftFree {
  void operator()(kiss_fftr_state* fft) const { kiss_fftr_free(fft); }
};

}  // namespace

std::vector<float> mel_filter_bank() {
  const auto hz = corners();
  std::vector<float> bank(size_t{kBands} * kBins, 0.0f);
  for (int b = 0; b < kBands; ++b) {
    const double height = 2.0 / (hz[b + 2] - hz[b]);  // area 1 in Hz
    for (int k = 0; k < kBins; ++k) {
      const double f = k * kRate / kFft;
      const double rising = (f - hz[b]) / (hz[b + 1] - hz[b]);
      const double falling = (hz[b + 2] - f) / (hz[b + 2] - hz[b + 1]);
      const double weight = std::max(0.0, std::min(rising, falling)) * height;
      bank[size_t(b) * kBins + k] = static_cast<float>(weight);
    }
  }
  return bank;
}

MelBank mel_bank() {
  MelBank bank;
  const std::vector<float> dense = mel_filter_bank();
  for (int b = 0; b < kBands; ++b) {
    const auto row = std::span(dense).subspan(size_t(b) * kBins, kBins);
    const auto some = [](float w) { return w > 0.0f; };
    const auto first = std::find_if(row.begin(), row.end(), some);
    const auto last = std::find_if_not(first, row.end(), some);
    bank.triangles.push_back({static_cast<int32_t>(first - row.begin()),
                              static_cast<int32_t>(bank.weights.size()),
                              static_cast<int32_t>(last - first)});
    bank.weights.insert(bank.weights.end(), first, last);
  }
  return bank;
}

std::vector<float> hann_window() {
  std::vector<float> window(kFft);
  for (int i = 0; i < kFft; ++i)
    window[i] = static_cast<float>(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / kFft));
  return window;
}

struct LogMel::Plan {
  LogMelSettings settings;
  std::unique_ptr<kiss_fftr_state, FftFree> fft;
  std::vector<float> window = hann_window();
  std::vector<float> frame = std::vector<float>(kFft);
  std::vector<kiss_fft_cpx> spectrum = std::vector<kiss_fft_cpx>(kBins);
  std::vector<float> power = std::vector<float>(kBins);
  MelBank bank = mel_bank();

  /// Windowed frame centred on sample `centre`.
  void cut(std::span<const float> samples, int64_t centre) {
    const int64_t n = static_cast<int64_t>(samples.size());
    const int64_t start = centre - kFft / 2;
    if (start >= 0 && start + kFft <= n) {
      for (int i = 0; i < kFft; ++i) frame[i] = window[i] * samples[start + i];
    } else {
      for (int i = 0; i < kFft; ++i) frame[i] = window[i] * samples[reflect(start + i, n)];
    }
  }

  /// Power spectrum of the current frame.
  void transform() {
    kiss_fftr(fft.get(), frame.data(), spectrum.data());
    for (int k = 0; k < kBins; ++k) {
      power[k] = spectrum[k].r * spectrum[k].r + spectrum[k].i * spectrum[k].i;
    }
  }

  /// Mel powers of the current spectrum -> mel [128].
  void gather_bands(float* mel) const {
    for (int b = 0; b < kBands; ++b) {
      const MelTriangle& t = bank.triangles[b];
      float sum = 0.0f;
      for (int k = 0; k < t.count; ++k) sum += bank.weights[t.offset + k] * power[t.first + k];
      mel[b] = sum;
    }
  }
};

LogMel::LogMel(const LogMelSettings& settings) : plan_(std::make_unique<Plan>()) {
  Plan& p = *plan_;
  p.settings = settings;
  p.fft.reset(kiss_fftr_alloc(kFft, /*inverse_fft=*/0, nullptr, nullptr));
  if (!p.fft) throw std::bad_alloc();
}

LogMel::~LogMel() = default;
LogMel::LogMel(LogMel&&) noexcept = default;

std::span<const float> LogMel::power(std::span<const float> samples, int64_t t) {
  plan_->cut(samples, t * kHop);
  plan_->transform();
  return plan_->power;
}

float LogMel::extract(std::span<const float> samples, float* out) {
  Plan& p = *plan_;
  const int64_t frames = 1 + static_cast<int64_t>(samples.size()) / kHop;
  const float multiplier = static_cast<float>(p.settings.multiplier);
  const float minimum = static_cast<float>(p.settings.minimum);
  float maximum = -std::numeric_limits<float>::infinity();
  for (int64_t t = 0; t < frames; ++t) {
    float* row = out + t * kBands;
    power(samples, t);
    p.gather_bands(row);
    for (int b = 0; b < kBands; ++b) {
      row[b] = multiplier * std::log10(std::max(minimum, row[b]));
      maximum = std::max(maximum, row[b]);
    }
  }
  const float floor = maximum - static_cast<float>(p.settings.range);
  for (int64_t i = 0; i < frames * kBands; ++i) out[i] = std::max(floor, out[i]);
  return floor;
}

}  // namespace earshot
