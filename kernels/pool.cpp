#include "kernels/pool.h"

#include <algorithm>

namespace earshot {
namespace {

constexpr int64_t kBlock = 64;  // channels whose running maximum stays in registers and L1

void pool_window(const PoolShape& s, const float* window, float* y, uint8_t* argmax) {
  float best[kBlock];
  int32_t cell_of[kBlock];
  for (int64_t c0 = 0; c0 < s.c; c0 += kBlock) {
    const int64_t count = std::min(kBlock, s.c - c0);
    std::copy_n(window + c0, count, best);
    std::fill_n(cell_of, count, 0);
    for (int64_t i = 0; i < s.pool_h; ++i)
      for (int64_t j = 0; j < s.pool_w; ++j) {
        const float* x = window + (i * s.w + j) * s.c + c0;
        const int32_t cell = static_cast<int32_t>(i * s.pool_w + j);
#pragma omp simd
        for (int64_t c = 0; c < count; ++c) {
          const bool larger = x[c] > best[c];
          best[c] = larger ? x[c] : best[c];
          cell_of[c] = larger ? cell : cell_of[c];
        }
      }
    std::copy_n(best, count, y + c0);
    if (!argmax) continue;
    for (int64_t c = 0; c < count; ++c) argmax[c0 + c] = static_cast<uint8_t>(cell_of[c]);
  }
}

}  // namespace

void max_pool_forward(const PoolShape& s, const float* x, float* y, uint8_t* argmax) {
  const int64_t out_rows = s.n * s.out_h();
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < out_rows; ++row) {
    const int64_t n = row / s.out_h(), oh = row % s.out_h();
    const float* line = x + (n * s.h + oh * s.pool_h) * s.w * s.c;
    for (int64_t ow = 0; ow < s.out_w(); ++ow) {
      const int64_t out = (row * s.out_w() + ow) * s.c;
      pool_window(s, line + ow * s.pool_w * s.c, y + out, argmax ? argmax + out : nullptr);
    }
  }
}

void max_pool_relu_backward(const PoolShape& s, const float* y, const uint8_t* argmax,
                            const float* dy, float* dx) {
  const int64_t rows = s.n * s.h;
#pragma omp parallel for schedule(static)
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t n = row / s.h, h = row % s.h, oh = h / s.pool_h;
    float* line = dx + row * s.w * s.c;
    if (oh >= s.out_h()) {
      std::fill_n(line, s.w * s.c, 0.0f);
      continue;
    }
    for (int64_t w = 0; w < s.out_w() * s.pool_w; ++w) {
      const int64_t out = ((n * s.out_h() + oh) * s.out_w() + w / s.pool_w) * s.c;
      const int32_t cell = static_cast<int32_t>((h % s.pool_h) * s.pool_w + w % s.pool_w);
      float* to = line + w * s.c;
#pragma omp simd
      for (int64_t c = 0; c < s.c; ++c)
        to[c] = (argmax[out + c] == cell && y[out + c] > 0) ? dy[out + c] : 0.0f;
    }
    std::fill(line + s.out_w() * s.pool_w * s.c, line + s.w * s.c, 0.0f);
  }
}

}  // namespace earshot
