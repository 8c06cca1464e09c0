#include "kernels/pooled_conv.h"

#include <algorithm>
#include <vector>

#include "kernels/pooled_conv_kernels.h"

namespace earshot {
namespace {

constexpr int64_t kBlockFloats = 4096;  // of x, and of dx, touched by one block: both stay in L1

/// A window's winner whose receptive field leaves the row.
struct Clipped {
  int64_t h, w;  // of the winning cell
  float g;
};

/// Winners of one output channel in a block of windows.
struct Channel {
  std::vector<int64_t> h, offsets;  // of whole fields: row of the cell, first float of its row
  std::vector<float> gradients;
  std::vector<Clipped> clipped;
};

/// Works through one part of the examples.
class Part {
 public:
  Part(const PooledConvShape& shape, const PooledConvBackward& tensors, const RunKernels& kernels,
       float* dweight, float* dbias)
      : s_(shape),
        t_(tensors),
        kernels_(kernels),
        dweight_(dweight),
        dbias_(dbias),
        block_(std::max<int64_t>(1, kBlockFloats / (s_.pool_w * s_.c_in))),
        channels_(static_cast<size_t>(s_.c_out)),
        offsets_(static_cast<size_t>(block_)),
        gradients_(static_cast<size_t>(block_)) {}

  void example(int64_t n) {
    const int64_t plane = s_.h * s_.w * s_.c_in;
    const float* x = t_.x + n * plane;
    float* dx = t_.dx ? t_.dx + n * plane : nullptr;
    zeroed_ = 0;
    const int64_t out_h = s_.h / s_.pool_h, out_w = s_.w / s_.pool_w;
    for (int64_t oh = 0; oh < out_h; ++oh)
      for (int64_t first = 0; first < out_w; first += block_) {
        const int64_t last = std::min(first + block_, out_w);
        collect(n, oh, first, last);
        if (dx) zero(dx, (oh + 1) * s_.pool_h - 1, last * s_.pool_w);
        for (int64_t co = 0; co < s_.c_out; ++co)
          for (int64_t k = 0; k < s_.kernel_h; ++k) kernel_row(co, k, x, dx);
      }
    if (dx) zero(dx, s_.h, s_.w);
  }

 private:
  void collect(int64_t n, int64_t oh, int64_t first, int64_t last) {
    const int64_t out_h = s_.h / s_.pool_h, out_w = s_.w / s_.pool_w;
    const int64_t before = (s_.kernel_w - 1) / 2;
    for (Channel& channel : channels_) {
      channel.h.clear();
      channel.offsets.clear();
      channel.gradients.clear();
      channel.clipped.clear();
    }
    for (int64_t ow = first; ow < last; ++ow)
      for (int64_t co = 0; co < s_.c_out; ++co) {
        const int64_t i = ((n * out_h + oh) * out_w + ow) * s_.c_out + co;
        if (!(t_.y[i] > 0)) continue;
        const int64_t cell = t_.argmax[i];
        const int64_t h = oh * s_.pool_h + cell / s_.pool_w, w = ow * s_.pool_w + cell % s_.pool_w;
        Channel& channel = channels_[co];
        dbias_[co] += t_.dy[i];
        if (w < before || w - before + s_.kernel_w > s_.w) {
          channel.clipped.push_back({h, w, t_.dy[i]});
          continue;
        }
        channel.h.push_back(h);
        channel.offsets.push_back((h * s_.w + w - before) * s_.c_in);
        channel.gradients.push_back(t_.dy[i]);
      }
  }

  /// dx is zero up to all that winners up to row h and column w can touch: in the cache, just
  /// before they do.
  void zero(float* dx, int64_t h, int64_t w) {
    const int64_t row = std::min(h + s_.kernel_h / 2, s_.h - 1);
    const int64_t end = row * s_.w + std::min(w + s_.kernel_w / 2, s_.w);
    if (end > zeroed_) std::fill(dx + zeroed_ * s_.c_in, dx + end * s_.c_in, 0.0f);
    zeroed_ = std::max(zeroed_, end);
  }

  /// One row of the kernel for all winners: whole runs together, clipped ones one by one.
  void kernel_row(int64_t co, int64_t k, const float* x, float* dx) {
    const Channel& channel = channels_[co];
    const int64_t row = (co * s_.kernel_h + k) * s_.kernel_w * s_.c_in;
    const int64_t down = k - (s_.kernel_h - 1) / 2, before_w = (s_.kernel_w - 1) / 2;
    int64_t whole = 0;
    for (size_t j = 0; j < channel.h.size(); ++j) {
      const int64_t h = channel.h[j] + down;
      if (h < 0 || h >= s_.h) continue;
      offsets_[whole] = channel.offsets[j] + down * s_.w * s_.c_in;
      gradients_[whole++] = channel.gradients[j];
    }
    run({offsets_.data(), gradients_.data(), whole, s_.kernel_w * s_.c_in}, row, x, dx);
    for (const Clipped& winner : channel.clipped) {
      const int64_t h = winner.h + down, w = winner.w - before_w;
      if (h < 0 || h >= s_.h) continue;
      const int64_t left = std::max<int64_t>(0, -w);
      const int64_t right = std::min(s_.kernel_w, s_.w - w);
      const int64_t offset = (h * s_.w + w + left) * s_.c_in;
      run({&offset, &winner.g, 1, (right - left) * s_.c_in}, row + left * s_.c_in, x, dx);
    }
  }

  void run(const Runs& runs, int64_t weight_offset, const float* x, float* dx) const {
    kernels_.sum(runs, x, dweight_ + weight_offset);
    if (dx) kernels_.spread(runs, t_.weight + weight_offset, dx);
  }

  const PooledConvShape& s_;
  const PooledConvBackward& t_;
  const RunKernels& kernels_;
  float* dweight_;
  float* dbias_;
  int64_t block_;
  int64_t zeroed_ = 0;  // cells of dx
  std::vector<Channel> channels_;
  std::vector<int64_t> offsets_;
  std::vector<float> gradients_;
};

}  // namespace

void pooled_conv_backward(const PooledConvShape& s, const PooledConvBackward& t, Simd simd) {
  const RunKernels& kernels = simd == Simd::kAvx512 ? runs_avx512() : runs_avx2();
  const int64_t parts = s.parts(), weights = s.weight_count(), stride = weights + s.c_out;
#pragma omp parallel for schedule(static, 1)
  for (int64_t p = 0; p < parts; ++p) {
    float* sums = t.scratch + p * stride;
    std::fill_n(sums, stride, 0.0f);
    Part part(s, t, kernels, sums, sums + weights);
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
