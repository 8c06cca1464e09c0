#include "data/trim.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "data/features.h"
#include "kernels/reflect.h"

namespace earshot {
namespace {

constexpr int64_t kBlocksPerFrame = kTrimFrame / kTrimHop;
constexpr double kLeastMeanSquare = 1e-10;

/// Sum of squares of a hop, in eight parts that run beside each other.
double hop_energy(const float* samples) {
  constexpr int64_t kParts = 8;
  std::array<double, kParts> sums{};
  for (int64_t i = 0; i < kTrimHop; i += kParts) {
    for (int64_t k = 0; k < kParts; ++k) {
      const double x = samples[i + k];
      sums[k] += x * x;
    }
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/// Energy of each hop of the signal that starts half a frame before sample 0.
std::vector<double> hop_energies(std::span<const float> samples, int64_t blocks) {
  const int64_t n = static_cast<int64_t>(samples.size());
  std::vector<double> energies(blocks, 0.0);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t start = b * kTrimHop - kTrimFrame / 2;
    if (start >= 0 && start + kTrimHop <= n) {
      energies[b] = hop_energy(&samples[start]);
      continue;
    }
    std::array<float, kTrimHop> hop;
    for (int64_t i = 0; i < kTrimHop; ++i) hop[i] = samples[reflect(start + i, n)];
    energies[b] = hop_energy(hop.data());
  }
  return energies;
}

}  // namespace

Kept trim_silence(std::span<const float> samples, double top_db) {
  const int64_t n = static_cast<int64_t>(samples.size());
  if (n == 0 || top_db <= 0.0) return {0, n};
  const int64_t frames = 1 + n / kTrimHop;
  const std::vector<double> energy = hop_energies(samples, frames + kBlocksPerFrame - 1);
  std::vector<double> level(frames);  // mean square
  for (int64_t t = 0; t < frames; ++t) {
    double sum = 0.0;
    for (int64_t b = 0; b < kBlocksPerFrame; ++b) sum += energy[t + b];
    level[t] = std::max(kLeastMeanSquare, sum / kTrimFrame);
  }
  const double loudest = *std::max_element(level.begin(), level.end());
  const double threshold = loudest * std::pow(10.0, -top_db / 10.0);
  const auto sound = [&](double x) { return x > threshold; };
  const auto first = std::find_if(level.begin(), level.end(), sound);
  const auto last = std::find_if(level.rbegin(), level.rend(), sound);
  const int64_t begin = (first - level.begin()) * kTrimHop;
  const int64_t end = (level.rend() - last) * kTrimHop;
  return {begin, std::min(n, end)};
}

}  // namespace earshot
