// Bodies of RunKernels, included once for each instruction set (pooled_conv_avx*.cpp).
#pragma once

#include <array>
#include <utility>

#include "kernels/lanes.h"
#include "kernels/pooled_conv_kernels.h"

namespace earshot {
namespace {

/// kLanes sums in registers over all winners.
template <class Isa, int kLanes>
void sum_lanes(const Runs& r, const float* x, float* dweight) {
  typename Isa::Lanes sum[kLanes];
#pragma GCC unroll 24
  for (int k = 0; k < kLanes; ++k) sum[k] = Isa::load(dweight + k * Isa::kLane);
  for (int64_t j = 0; j < r.count; ++j) {
    const float* from = x + r.offsets[j];
    const float g = r.gradients[j];
#pragma GCC unroll 24
    for (int k = 0; k < kLanes; ++k) sum[k] += g * Isa::load(from + k * Isa::kLane);
  }
#pragma GCC unroll 24
  for (int k = 0; k < kLanes; ++k) Isa::store(dweight + k * Isa::kLane, sum[k]);
}

/// kLanes weights in registers over all winners.
template <class Isa, int kLanes>
void spread_lanes(const Runs& r, const float* weight, float* dx) {
  typename Isa::Lanes w[kLanes];
#pragma GCC unroll 24
  for (int k = 0; k < kLanes; ++k) w[k] = Isa::load(weight + k * Isa::kLane);
  for (int64_t j = 0; j < r.count; ++j) {
    float* to = dx + r.offsets[j];
    const float g = r.gradients[j];
#pragma GCC unroll 24
    for (int k = 0; k < kLanes; ++k)
      Isa::store(to + k * Isa::kLane, Isa::load(to + k * Isa::kLane) + g * w[k]);
  }
}

using Lanewise = void (*)(const Runs&, const float*, float*);

template <class Isa, int... kLanes>
constexpr auto sums_of(std::integer_sequence<int, kLanes...>) {
  return std::array<Lanewise, sizeof...(kLanes)>{sum_lanes<Isa, kLanes + 1>...};
}
template <class Isa, int... kLanes>
constexpr auto spreads_of(std::integer_sequence<int, kLanes...>) {
  return std::array<Lanewise, sizeof...(kLanes)>{spread_lanes<Isa, kLanes + 1>...};
}

/// Cuts the runs into as few pieces of about equal length as registers hold: visit(lanes, float).
template <class Isa, class Visit>
void for_each_piece(int64_t length, const Visit& visit) {
  const int64_t lanes = length / Isa::kLane, pieces = (lanes + Isa::kRun - 1) / Isa::kRun;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t first = i * lanes / pieces, last = (i + 1) * lanes / pieces;
    visit(last - first, first * Isa::kLane);
  }
}

template <class Isa>
void sum_runs(const Runs& r, const float* x, float* dweight) {
  static constexpr auto kSums = sums_of<Isa>(std::make_integer_sequence<int, Isa::kRun>());
  for_each_piece<Isa>(r.length, [&](int64_t lanes, int64_t first) {
    kSums[lanes - 1](r, x + first, dweight + first);
  });
  for (int64_t i = r.length / Isa::kLane * Isa::kLane; i < r.length; ++i)
    for (int64_t j = 0; j < r.count; ++j) dweight[i] += r.gradients[j] * x[r.offsets[j] + i];
}

template <class Isa>
void spread_runs(const Runs& r, const float* weight, float* dx) {
  static constexpr auto kSpreads = spreads_of<Isa>(std::make_integer_sequence<int, Isa::kRun>());
  for_each_piece<Isa>(r.length, [&](int64_t lanes, int64_t first) {
    kSpreads[lanes - 1](r, weight + first, dx + first);
  });
  for (int64_t i = r.length / Isa::kLane * Isa::kLane; i < r.length; ++i)
    for (int64_t j = 0; j < r.count; ++j) dx[r.offsets[j] + i] += r.gradients[j] * weight[i];
}

template <class Isa>
constexpr RunKernels kRunKernels{sum_runs<Isa>, spread_runs<Isa>};

}  // namespace
}  // namespace earshot
