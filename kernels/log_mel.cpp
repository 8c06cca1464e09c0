#include "kernels/log_mel.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "kernels/log_mel_kernels.h"
#include "kernels/reflect.h"

namespace earshot {
namespace {

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

/// What all extractors share.
struct Tables {
  FrameFftTables fft;
  MelBank bank = mel_bank();
};

const Tables& tables() {
  static const Tables kTables;
  return kTables;
}

/// to [c][r] = from [r][c], 8 by 8.
void transpose8(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  __m256 pairs[8], quads[8];
  for (int i = 0; i < 4; ++i) {
    const __m256 a = _mm256_loadu_ps(from + 2 * i * from_stride);
    const __m256 b = _mm256_loadu_ps(from + (2 * i + 1) * from_stride);
    pairs[2 * i] = _mm256_unpacklo_ps(a, b);
    pairs[2 * i + 1] = _mm256_unpackhi_ps(a, b);
  }
  for (int half = 0; half < 8; half += 4) {
    for (int i = 0; i < 2; ++i) {
      const __m256 a = pairs[half + i], b = pairs[half + i + 2];
      quads[half + 2 * i] = _mm256_shuffle_ps(a, b, 0x44);
      quads[half + 2 * i + 1] = _mm256_shuffle_ps(a, b, 0xee);
    }
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride,
                     _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31));
  }
}

}  // namespace

std::vector<float> mel_filter_bank() {
  const auto hz = corners();
  std::vector<float> bank(size_t{kBands} * kFrameBins, 0.0f);
  for (int b = 0; b < kBands; ++b) {
    const double height = 2.0 / (hz[b + 2] - hz[b]);  // area 1 in Hz
    for (int k = 0; k < kFrameBins; ++k) {
      const double f = k * kRate / kFrame;
      const double rising = (f - hz[b]) / (hz[b + 1] - hz[b]);
      const double falling = (hz[b + 2] - f) / (hz[b + 2] - hz[b + 1]);
      const double weight = std::max(0.0, std::min(rising, falling)) * height;
      bank[size_t(b) * kFrameBins + k] = static_cast<float>(weight);
    }
  }
  return bank;
}

MelBank mel_bank() {
  MelBank bank;
  const std::vector<float> dense = mel_filter_bank();
  for (int b = 0; b < kBands; ++b) {
    const auto row = std::span(dense).subspan(size_t(b) * kFrameBins, kFrameBins);
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
  std::vector<float> window(kFrame);
  for (int i = 0; i < kFrame; ++i)
    window[i] = static_cast<float>(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * i / kFrame));
  return window;
}

Decibels::Decibels(const LogMelSettings& s)
    : minimum(static_cast<float>(s.minimum)),
      octave(static_cast<float>(s.multiplier * std::log10(2.0))),
      half_neper(static_cast<float>(2.0 * s.multiplier / std::numbers::ln10)),
      lowest(static_cast<float>(s.multiplier * std::log10(s.minimum))) {}

struct LogMel::Plan {
  const LogMelKernels& kernels;
  Decibels scale;
  float range;
  FrameFftScratch fft;
  alignas(64) float db[kBands * kMostLanes];         // [128][lanes]
  alignas(64) float loudest[kMostLanes];             // of each frame
  alignas(64) float edge[kHopsOfFrame * kFrameHop];  // 8 hops where the signal ends
  alignas(64) float rows[8 * kBands];                // the last, less than 8 frames
  std::vector<float> power = std::vector<float>(kFrameBins);

  Plan(const LogMelSettings& settings, Simd simd)
      : kernels(simd == Simd::kAvx512 ? log_mel_avx512() : log_mel_avx2()),
        scale(settings),
        range(static_cast<float>(settings.range)) {}

  /// Samples of hop `first` ... first + 7, hop h from sample 256 h - 1,024 on; zeros from hop
  /// `end`.
  const float* eight_hops(std::span<const float> samples, int64_t first, int64_t end) {
    const auto n = static_cast<int64_t>(samples.size());
    const auto start = [](int64_t hop) { return hop * kFrameHop - kFrame / 2; };
    if (start(first) >= 0 && start(first + kHopsOfFrame) <= n) return &samples[start(first)];
    for (int64_t hop = first; hop < first + kHopsOfFrame; ++hop) {
      float* to = edge + (hop - first) * kFrameHop;
      for (int64_t i = 0; i < kFrameHop; ++i)
        to[i] = hop < end ? samples[reflect(start(hop) + i, n)] : 0.0f;
    }
    return edge;
  }

  /// Power spectra of as many frames as there are lanes, from `first` on, but none from `end`.
  void transform(std::span<const float> samples, int64_t first, int64_t end) {
    const int64_t hops = kernels.lanes + kHopsOfFrame;
    for (int64_t h = 0; h < hops; h += 8) {
      const float* from = eight_hops(samples, first + h, end + kHopsOfFrame - 1);
      for (int64_t c = 0; c < kFrameHop; c += 8)
        transpose8(from + c, kFrameHop, fft.hops + c * hops + h, hops);
    }
    kernels.powers(tables().fft, fft);
  }

  /// db -> out [count, 128]
  void put(int64_t count, float* out) {
    for (int64_t lane = 0; lane < count; lane += 8) {
      float* to = lane + 8 <= count ? out + lane * kBands : rows;
      for (int b = 0; b < kBands; b += 8)
        transpose8(db + b * kernels.lanes + lane, kernels.lanes, to + b, kBands);
      if (to == rows) std::copy_n(rows, (count - lane) * kBands, out + lane * kBands);
    }
  }
};

LogMel::LogMel(const LogMelSettings& settings, Simd simd)
    : plan_(std::make_unique<Plan>(settings, simd)) {}

LogMel::~LogMel() = default;
LogMel::LogMel(LogMel&&) noexcept = default;

std::span<const float> LogMel::power(std::span<const float> samples, int64_t t) {
  plan_->transform(samples, t, t + 1);
  for (int64_t k = 0; k < kFrameBins; ++k)
    plan_->power[k] = plan_->fft.power[k * plan_->kernels.lanes];
  return plan_->power;
}

float LogMel::extract(std::span<const float> samples, float* out) {
  Plan& p = *plan_;
  const int64_t frames = 1 + static_cast<int64_t>(samples.size()) / kFrameHop;
  float maximum = p.scale.lowest;
  for (int64_t t = 0; t < frames; t += p.kernels.lanes) {
    const int64_t count = std::min(p.kernels.lanes, frames - t);
    p.transform(samples, t, frames);
    p.kernels.bands(tables().bank, p.scale, p.fft.power, p.db, p.loudest);
    p.put(count, out + t * kBands);
    maximum = std::max(maximum, *std::max_element(p.loudest, p.loudest + count));
  }
  const float floor = maximum - p.range;
  for (int64_t i = 0; i < frames * kBands; ++i) out[i] = std::max(floor, out[i]);
  return floor;
}

}  // namespace earshot
