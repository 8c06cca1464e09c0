#include "kernels/line_conv.h"

#include <omp.h>

#include <vector>

#include "kernels/cook_toom.h"
#include "kernels/line_conv_kernels.h"

namespace earshot {
namespace {

constexpr int64_t kBlock = 192;  // cells of the output: whole windows and whole micro-tiles
constexpr int64_t kMostTaps = 16;

template <class Filter>
void transform_weight(const PooledConvShape& s, const float* weight, int64_t panel, float* u) {
  constexpr auto g = Filter::filter();
  constexpr int64_t kTaps = Filter::kTaps;
  const int64_t groups = (s.kernel_w + kTaps - 1) / kTaps, depth = groups * s.c_in;
#pragma omp parallel for schedule(static)
  for (int64_t co = 0; co < s.c_out; ++co)
    for (int64_t group = 0; group < groups; ++group)
      for (int64_t k = 0; k < Filter::kPoints; ++k)
        for (int64_t ci = 0; ci < s.c_in; ++ci) {
          double sum = 0;
          for (int64_t j = 0; j < kTaps && group * kTaps + j < s.kernel_w; ++j)
            sum += g[k][j] * weight[(co * s.kernel_w + group * kTaps + j) * s.c_in + ci];
          const int64_t row = co / panel * depth + group * s.c_in + ci;
          u[k * depth * s.c_out + row * panel + co % panel] = static_cast<float>(sum);
        }
}

}  // namespace

void transform_line_weight(const PooledConvShape& s, const LineKernels& kernels,
                           const float* weight, float* u) {
  if (kernels.tile == 8)
    transform_weight<CookToom<6, 8>>(s, weight, kernels.panel, u);
  else
    transform_weight<CookToom<4>>(s, weight, kernels.panel, u);
}

bool LineConv::fits(const PooledConvShape& s, int64_t tile) {
  const auto channels = [](int64_t c) { return c % 32 == 0 && c <= 512; };
  const bool pool = s.pool_w == 1 || s.pool_w == 4 || s.pool_w == 8 || s.pool_w == 16;
  return s.h == 1 && s.kernel_h == 1 && s.pool_h == 1 && s.kernel_w <= kMostTaps &&
         (s.pool_w == 1 || s.pool_w % tile == 0) && channels(s.c_in) && channels(s.c_out) && pool;
}

LineConv::LineConv(const PooledConvShape& shape, int threads, int64_t tile, Simd simd)
    : s_(shape), kernels_(line_kernels(tile, simd)), threads_(threads) {}

int64_t LineConv::weight_floats() const {
  return kernels_.points * kernels_.groups(s_.kernel_w) * s_.c_in * s_.c_out;
}
int64_t LineConv::block_floats() const {
  const int64_t tiles = kBlock / kernels_.tile, inputs = kernels_.input_tiles(tiles, s_.kernel_w);
  return kernels_.points * (inputs * s_.c_in + tiles * s_.c_out);
}
int64_t LineConv::forward_scratch() const { return weight_floats() + threads_ * block_floats(); }

void LineConv::forward(const PooledConvForward& t, float* scratch) const {
  transform_line_weight(s_, kernels_, t.weight, scratch);
  const int64_t used = s_.w / s_.pool_w * s_.pool_w;  // cells that have an output
  const int64_t blocks = (used + kBlock - 1) / kBlock, tiles = kBlock / kernels_.tile;
  const int64_t c_in = s_.c_in, depth = kernels_.groups(s_.kernel_w) * c_in;
  const int64_t step = kernels_.step(s_.kernel_w);
  const int64_t inputs = kernels_.input_tiles(tiles, s_.kernel_w);
#pragma omp parallel num_threads(threads_)
  {
    float* v = scratch + weight_floats() + omp_get_thread_num() * block_floats();
    float* m = v + kernels_.points * inputs * c_in;
#pragma omp for schedule(dynamic, 4)
    for (int64_t b = 0; b < s_.n * blocks; ++b) {
      const int64_t n = b / blocks, first = b % blocks;
      kernels_.input(s_, t.x, {n, first * tiles * step, inputs}, step, v);
      kernels_.product({v, inputs * c_in, step * c_in, scratch, depth * s_.c_out, m,
                        tiles * s_.c_out, kernels_.points, tiles, s_.c_out, depth});
      kernels_.output(s_, t, {n, first * tiles, tiles}, m);
    }
  }
}

}  // namespace earshot
