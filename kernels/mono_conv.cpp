#include "kernels/mono_conv.h"

#include <algorithm>

#include "kernels/mono_conv_kernels.h"

namespace earshot {
namespace {

constexpr int64_t kRun = 252;  // cells; a multiple of the micro-tiles' rows
constexpr int64_t kMostParts = 16;
constexpr int64_t kMostHigh = 4, kMostWide = 11;

const MonoKernels& kernels_of(const PooledConvShape& s, Simd simd) {
  const bool line = s.kernel_h == 1;
  return simd == Simd::kAvx512 ? mono_avx512(line) : mono_avx2(line);
}

int64_t runs_in_row(const PooledConvShape& s) { return (s.w + kRun - 1) / kRun; }
int64_t runs(const PooledConvShape& s) { return s.n * s.h * runs_in_row(s); }
int64_t parts(const PooledConvShape& s) { return std::min(runs(s), kMostParts); }
int64_t part_floats(const PooledConvShape& s) { return (s.kernel_h * s.kernel_w + 1) * s.c_out; }

/// Neighbouring cells of a row with their receptive fields, zeros where there is no input.
struct Run {
  int64_t first, cells;  // cells of [n, h, w]
  static constexpr int64_t kStride = kRun + kMostWide;
  float x[kMostHigh * kStride];

  Run(const PooledConvShape& s, const float* plane, int64_t run) {
    const int64_t row = run / runs_in_row(s), h = row % s.h, w0 = run % runs_in_row(s) * kRun;
    first = row * s.w + w0;
    cells = std::min(kRun, s.w - w0);
    const int64_t from = w0 - (s.kernel_w - 1) / 2, length = cells + s.kernel_w - 1;
    const int64_t left = std::clamp<int64_t>(-from, 0, length);
    const int64_t right = std::clamp<int64_t>(s.w - from, left, length);
    for (int64_t k = 0; k < s.kernel_h; ++k) {
      const int64_t at = h + k - (s.kernel_h - 1) / 2;
      float* to = x + k * kStride;
      std::fill_n(to, length, 0.0f);
      if (at < 0 || at >= s.h) continue;
      const float* line = plane + (row - h + at) * s.w + from;
      std::copy(line + left, line + right, to + left);
    }
  }
};

}  // namespace

bool mono_conv_fits(const PooledConvShape& s) {
  const bool square = s.kernel_h == 4 && s.kernel_w == 4,
             line = s.kernel_h == 1 && s.kernel_w == 11;
  return s.c_in == 1 && s.c_out % 32 == 0 && s.pool_h * s.pool_w == 1 && (square || line);
}

int64_t mono_conv_forward_scratch(const PooledConvShape& s) { return s.weight_count(); }
int64_t mono_conv_weight_scratch(const PooledConvShape& s) { return parts(s) * part_floats(s); }

void mono_conv_forward(const PooledConvShape& s, const PooledConvForward& t, float* scratch,
                       Simd simd) {
  const MonoKernels& kernels = kernels_of(s, simd);
  const int64_t taps = s.kernel_h * s.kernel_w;
  for (int64_t k = 0; k < taps; ++k)
    for (int64_t c = 0; c < s.c_out; ++c) scratch[k * s.c_out + c] = t.weight[c * taps + k];
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < runs(s); ++r) {
    const Run run(s, t.x, r);
    kernels.forward(
        {run.x, Run::kStride, run.cells, s.c_out, scratch, t.bias, t.y + run.first * s.c_out});
  }
}

void mono_conv_weight_gradient(const PooledConvShape& s, const PooledConvBackward& t,
                               float* scratch, Simd simd) {
  const MonoKernels& kernels = kernels_of(s, simd);
  const int64_t taps = s.kernel_h * s.kernel_w, size = part_floats(s), count = parts(s);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t part = 0; part < count; ++part) {
    float* sums = scratch + part * size;
    std::fill_n(sums, size, 0.0f);
    for (int64_t r = part * runs(s) / count; r < (part + 1) * runs(s) / count; ++r) {
      const Run run(s, t.x, r);
      kernels.weight_gradient({run.x, Run::kStride, run.cells, s.c_out, t.y + run.first * s.c_out,
                               t.dy + run.first * s.c_out, sums});
    }
  }
  for (int64_t i = 0; i < size; ++i) {
    float sum = 0;
    for (int64_t part = 0; part < count; ++part) sum += scratch[part * size + i];
    const int64_t k = i / s.c_out, c = i % s.c_out;
    (k < taps ? t.dweight[c * taps + k] : t.dbias[c]) = sum;
  }
}

}  // namespace earshot
