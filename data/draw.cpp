#include "data/draw.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "data/features.h"

namespace earshot {
namespace {

int64_t on_grid(int64_t samples, int64_t grid) { return samples / grid * grid; }

/// Uniform multiple of the grid in [0, last].
int64_t draw_offset(int64_t last, int64_t grid, Random& random) {
  return static_cast<int64_t>(random.below(static_cast<uint64_t>(last / grid + 1))) * grid;
}

/// Gamma(alpha, 1): Marsaglia & Tsang 2000, with Box-Muller normals.
double draw_gamma(double alpha, Random& random) {
  if (alpha == 1.0) return -std::log(1.0 - random.uniform());
  const double boost = alpha < 1 ? std::pow(1.0 - random.uniform(), 1.0 / alpha) : 1.0;
  const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - random.uniform()));
    const double normal = radius * std::cos(2.0 * std::numbers::pi * random.uniform());
    const double v = std::pow(1.0 + c * normal, 3.0);
    const double u = 1.0 - random.uniform();
    if (v > 0 && std::log(u) < 0.5 * normal * normal + d - d * v + d * std::log(v))
      return boost * d * v;
  }
}

}  // namespace

void draw_placement(const DrawSettings& s, int64_t clip, int64_t length, float weight,
                    Random& random, GatherPlan& plan) {
  Placement p;
  p.clip = clip;
  p.weight = weight;
  p.first_copy = static_cast<int32_t>(plan.positions.size());
  if (s.shift && length > 0) p.roll = draw_offset(length - 1, s.grid, random);
  if (length >= s.window) {
    plan.positions.push_back(-draw_offset(length - s.window, s.grid, random));
  } else {
    const int64_t fits = s.replicate && length > 0 ? std::min(s.window / length, kMaxCopies) : 1;
    p.copies = static_cast<int32_t>(1 + random.below(static_cast<uint64_t>(fits)));
    std::vector<int64_t> cuts(static_cast<size_t>(p.copies));
    for (int64_t& cut : cuts) cut = draw_offset(s.window - p.copies * length, 1, random);
    std::sort(cuts.begin(), cuts.end());
    for (size_t j = 0; j < cuts.size(); ++j)
      plan.positions.push_back(on_grid(cuts[j] + static_cast<int64_t>(j) * length, s.grid));
  }
  if (s.gain_db > 0) {
    const double db = s.gain_db * (2 * random.uniform() - 1);
    p.gain_db = static_cast<float>(db);
    p.gain = static_cast<float>(std::pow(10.0, db / 20));
  }
  plan.placements.push_back(p);
}

void centre_placement(const DrawSettings& s, int64_t clip, int64_t length, GatherPlan& plan) {
  const int64_t spare = (length >= s.window ? length - s.window : s.window - length) / 2;
  const int64_t offset = on_grid(spare, s.grid);
  fixed_placement(clip, length >= s.window ? -offset : offset, plan);
}

void fixed_placement(int64_t clip, int64_t position, GatherPlan& plan) {
  Placement p;
  p.clip = clip;
  p.first_copy = static_cast<int32_t>(plan.positions.size());
  plan.placements.push_back(p);
  plan.positions.push_back(position);
}

std::vector<float> draw_weights(int count, double alpha, Random& random) {
  std::vector<double> draws(static_cast<size_t>(count));
  double sum = 0;
  for (double& x : draws) sum += x = draw_gamma(alpha, random);
  std::vector<float> weights(draws.size(), 1.0f / static_cast<float>(count));
  if (sum > 0)
    std::transform(draws.begin(), draws.end(), weights.begin(),
                   [sum](double x) { return static_cast<float>(x / sum); });
  return weights;
}

void end_example(GatherPlan& plan) {
  if (plan.first_placement.empty()) plan.first_placement.push_back(0);
  plan.first_placement.push_back(static_cast<int32_t>(plan.placements.size()));
}

std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, uint32_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  Random random(seed, Purpose::kShuffle, epoch, 0);
  for (int64_t i = count - 1; i > 0; --i)
    std::swap(order[i], order[random.below(static_cast<uint64_t>(i + 1))]);
  return order;
}

Batch draw_batch(const DrawSettings& s, const ClipSet& set, std::span<const int64_t> order,
                 int64_t first, int64_t last, uint64_t seed, uint32_t epoch,
                 std::span<const int64_t> partners) {
  Batch batch;
  batch.targets.assign(static_cast<size_t>((last - first) * set.classes), 0.0f);
  for (int64_t i = first; i < last; ++i) {
    if (!s.augment) {
      const int64_t clip = set.clips[order[i]];
      centre_placement(s, clip, set.lengths[clip], batch.plan);
      batch.targets[(i - first) * set.classes + set.labels[clip]] = 1.0f;
      end_example(batch.plan);
      continue;
    }
    Random random(seed, Purpose::kAugment, epoch, static_cast<uint32_t>(i));
    const bool mix = s.mix_clips > 1 && random.uniform() < s.mix_probability;
    const std::vector<float> weights =
        mix ? draw_weights(s.mix_clips, s.mix_alpha, random) : std::vector<float>{1.0f};
    for (size_t k = 0; k < weights.size(); ++k) {
      const auto drawn = [&] {
        const uint64_t at = random.below(partners.empty() ? set.clips.size() : partners.size());
        return partners.empty() ? at : static_cast<uint64_t>(partners[at]);
      };
      const int64_t clip = set.clips[k == 0 ? static_cast<uint64_t>(order[i]) : drawn()];
      draw_placement(s, clip, set.lengths[clip], weights[k], random, batch.plan);
      batch.targets[(i - first) * set.classes + set.labels[clip]] += weights[k];
    }
    end_example(batch.plan);
  }
  if (s.label_smoothing > 0)
    for (float& target : batch.targets)
      target = static_cast<float>((1 - s.label_smoothing) * static_cast<double>(target) +
                                  s.label_smoothing / set.classes);
  return batch;
}

std::vector<int64_t> scoring_positions(int64_t length, int64_t window, int64_t step,
                                       bool align_end) {
  const int64_t sign = length >= window ? -1 : 1;
  const int64_t last = length >= window ? length - window : window - length;
  std::vector<int64_t> positions;
  for (int64_t at = 0; at <= last; at += step) positions.push_back(sign * at);
  const int64_t end = on_grid(last, kHopLength);
  if (align_end && end != std::abs(positions.back())) positions.push_back(sign * end);
  return positions;
}

}  // namespace earshot
