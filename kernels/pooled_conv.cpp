#include "kernels/pooled_conv.h"

#include <algorithm>
#include <vector>

namespace earshot {
namespace {

// 16 floats: one AVX-512 register or two AVX ones. Unaligned, and allowed to alias floats.
using Lanes = float __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int64_t kLane = 16;
constexpr int64_t kTile = 8;            // accumulators of dweight kept in registers
constexpr int64_t kBlockFloats = 8192;  // of dx touched by one block: stays in L1

/// A winner: where its receptive field starts in the input, and its gradient.
struct Winner {
  int64_t h, w;  // of the winning cell
  float g;
};

/// What the inner loops need; the plain-function form lets one body serve two instruction sets.
struct Runs {
  const int64_t* offsets;  // of each winner's run in x and dx, floats
  const float* gradients;
  int64_t count, length;  // winners; floats of a run
};

[[gnu::always_inline]] inline void sum_body(const Runs& r, const float* x, float* dweight) {
  int64_t i = 0;
  for (; i + kTile * kLane <= r.length; i += kTile * kLane) {
    Lanes sum[kTile];
    for (int64_t k = 0; k < kTile; ++k)
      sum[k] = *reinterpret_cast<const Lanes*>(dweight + i + k * kLane);
    for (int64_t j = 0; j < r.count; ++j) {
      const float* from = x + r.offsets[j] + i;
      const float g = r.gradients[j];
#pragma GCC unroll 8
      for (int64_t k = 0; k < kTile; ++k)
        sum[k] += g * *reinterpret_cast<const Lanes*>(from + k * kLane);
    }
    for (int64_t k = 0; k < kTile; ++k) *reinterpret_cast<Lanes*>(dweight + i + k * kLane) = sum[k];
  }
  for (; i + kLane <= r.length; i += kLane) {
    Lanes sum = *reinterpret_cast<const Lanes*>(dweight + i);
    for (int64_t j = 0; j < r.count; ++j)
      sum += r.gradients[j] * *reinterpret_cast<const Lanes*>(x + r.offsets[j] + i);
    *reinterpret_cast<Lanes*>(dweight + i) = sum;
  }
  for (; i < r.length; ++i)
    for (int64_t j = 0; j < r.count; ++j) dweight[i] += r.gradients[j] * x[r.offsets[j] + i];
}

[[gnu::always_inline]] inline void spread_body(const Runs& r, const float* weight, float* dx) {
  for (int64_t j = 0; j < r.count; ++j) {
    float* to = dx + r.offsets[j];
    const float g = r.gradients[j];
    int64_t i = 0;
    for (; i + kLane <= r.length; i += kLane)
      *reinterpret_cast<Lanes*>(to + i) += g * *reinterpret_cast<const Lanes*>(weight + i);
    for (; i < r.length; ++i) to[i] += g * weight[i];
  }
}

using Inner = void (*)(const Runs&, const float*, float*);
void sum_v3(const Runs& r, const float* x, float* dweight) { sum_body(r, x, dweight); }
void spread_v3(const Runs& r, const float* weight, float* dx) { spread_body(r, weight, dx); }
[[gnu::target("arch=x86-64-v4")]] void sum_v4(const Runs& r, const float* x, float* dweight) {
  sum_body(r, x, dweight);
}
[[gnu::target("arch=x86-64-v4")]] void spread_v4(const Runs& r, const float* weight, float* dx) {
  spread_body(r, weight, dx);
}

/// Works through one part of the examples.
class Part {
 public:
  Part(const PooledConvShape& shape, const PooledConvBackward& tensors, float* dweight,
       float* dbias)
      : s_(shape), t_(tensors), dweight_(dweight), dbias_(dbias) {
    const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl");
    sum_ = wide ? sum_v4 : sum_v3;
    spread_ = wide ? spread_v4 : spread_v3;
    block_ = std::max<int64_t>(1, kBlockFloats / (s_.pool_w * s_.c_in));
    winners_.reserve(static_cast<size_t>(block_));
    offsets_.resize(static_cast<size_t>(block_));
    gradients_.resize(static_cast<size_t>(block_));
  }

  void example(int64_t n) {
    const int64_t plane = s_.h * s_.w * s_.c_in;
    const float* x = t_.x + n * plane;
    float* dx = t_.dx ? t_.dx + n * plane : nullptr;
    if (dx) std::fill_n(dx, plane, 0.0f);
    const int64_t out_h = s_.h / s_.pool_h, out_w = s_.w / s_.pool_w;
    for (int64_t oh = 0; oh < out_h; ++oh)
      for (int64_t first = 0; first < out_w; first += block_) {
        const int64_t last = std::min(first + block_, out_w);
        for (int64_t co = 0; co < s_.c_out; ++co) {
          collect(n, oh, first, last, co);
          for (int64_t k = 0; k < s_.kernel_h; ++k) kernel_row(co, k, x, dx);
        }
      }
  }

 private:
  void collect(int64_t n, int64_t oh, int64_t first, int64_t last, int64_t co) {
    const int64_t out_h = s_.h / s_.pool_h, out_w = s_.w / s_.pool_w;
    winners_.clear();
    for (int64_t ow = first; ow < last; ++ow) {
      const int64_t i = ((n * out_h + oh) * out_w + ow) * s_.c_out + co;
      if (!(t_.y[i] > 0)) continue;
      const int64_t cell = t_.argmax[i];
      winners_.push_back(
          {oh * s_.pool_h + cell / s_.pool_w, ow * s_.pool_w + cell % s_.pool_w, t_.dy[i]});
      dbias_[co] += t_.dy[i];
    }
  }

  /// One row of the kernel for all winners: whole runs together, clipped ones one by one.
  void kernel_row(int64_t co, int64_t k, const float* x, float* dx) {
    const int64_t before_h = (s_.kernel_h - 1) / 2, before_w = (s_.kernel_w - 1) / 2;
    const int64_t row = (co * s_.kernel_h + k) * s_.kernel_w * s_.c_in;
    int64_t whole = 0;
    for (const Winner& winner : winners_) {
      const int64_t h = winner.h + k - before_h, w = winner.w - before_w;
      if (h < 0 || h >= s_.h) continue;
      const int64_t left = std::max<int64_t>(0, -w);
      const int64_t right = std::min(s_.kernel_w, s_.w - w);
      const int64_t offset = (h * s_.w + w + left) * s_.c_in;
      if (left == 0 && right == s_.kernel_w) {
        offsets_[whole] = offset;
        gradients_[whole++] = winner.g;
      } else {
        run({&offset, &winner.g, 1, (right - left) * s_.c_in}, row + left * s_.c_in, x, dx);
      }
    }
    run({offsets_.data(), gradients_.data(), whole, s_.kernel_w * s_.c_in}, row, x, dx);
  }

  void run(const Runs& runs, int64_t weight_offset, const float* x, float* dx) const {
    sum_(runs, x, dweight_ + weight_offset);
    if (dx) spread_(runs, t_.weight + weight_offset, dx);
  }

  const PooledConvShape& s_;
  const PooledConvBackward& t_;
  float* dweight_;
  float* dbias_;
  Inner sum_, spread_;
  int64_t block_;
  std::vector<Winner> winners_;
  std::vector<int64_t> offsets_;
  std::vector<float> gradients_;
};

}  // namespace

void pooled_conv_backward(const PooledConvShape& s, const PooledConvBackward& t) {
  const int64_t parts = s.parts(), weights = s.weight_count(), stride = weights + s.c_out;
#pragma omp parallel for schedule(static, 1)
  for (int64_t p = 0; p < parts; ++p) {
    float* sums = t.scratch + p * stride;
    std::fill_n(sums, stride, 0.0f);
    Part part(s, t, sums, sums + weights);
    for (int64_t n = p * s.n / parts; n < (p + 1) * s.n / parts; ++n) part.example(n);
  }
  const auto reduce = [&](int64_t first, int64_t count, float* to) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; ++i) {
      float sum = 0;
      for (int64_t p = 0; p < parts; ++p) sum += t.scratch[p * stride + first + i];
      to[i] = sum;
    }
  };
  reduce(0, weights, t.dweight);
  reduce(weights, s.c_out, t.dbias);
}

}  // namespace earshot
