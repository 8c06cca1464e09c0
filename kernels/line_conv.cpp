#include "kernels/line_conv.h"

#include <omp.h>

#include <vector>

#include "kernels/cook_toom.h"
#include "kernels/line_conv_kernels.h"

namespace earshot {
namespace {

constexpr int64_t kBlock = 48;  // output tiles: whole windows and whole micro-tiles
constexpr int64_t kMostGroups = 4;

}  // namespace

void transform_line_weight(const PooledConvShape& s, const float* weight, int64_t panel, float* u) {
  constexpr auto g = CookToom<4>::filter();
  const int64_t groups = (s.kernel_w + kLineTile - 1) / kLineTile, depth = groups * s.c_in;
#pragma omp parallel for schedule(static)
  for (int64_t co = 0; co < s.c_out; ++co)
    for (int64_t group = 0; group < groups; ++group)
      for (int64_t k = 0; k < kLinePoints; ++k)
        for (int64_t ci = 0; ci < s.c_in; ++ci) {
          double sum = 0;
          for (int64_t j = 0; j < kLineTile && group * kLineTile + j < s.kernel_w; ++j)
            sum += g[k][j] * weight[(co * s.kernel_w + group * kLineTile + j) * s.c_in + ci];
          const int64_t row = co / panel * depth + group * s.c_in + ci;
          u[k * depth * s.c_out + row * panel + co % panel] = static_cast<float>(sum);
        }
}

bool LineConv::fits(const PooledConvShape& s) {
  const auto channels = [](int64_t c) { return c % 32 == 0 && c <= 512; };
  const bool pool = s.pool_w == 1 || s.pool_w == 4 || s.pool_w == 8 || s.pool_w == 16;
  return s.h == 1 && s.kernel_h == 1 && s.pool_h == 1 && s.kernel_w <= kMostGroups * kLineTile &&
         channels(s.c_in) && channels(s.c_out) && pool;
}

LineConv::LineConv(const PooledConvShape& shape, int threads, Simd simd)
    : s_(shape), kernels_(simd == Simd::kAvx512 ? line_avx512() : line_avx2()), threads_(threads) {}

int64_t LineConv::weight_floats() const { return kLinePoints * groups() * s_.c_in * s_.c_out; }
int64_t LineConv::block_floats() const {
  return kLinePoints * ((kBlock + kMostGroups) * s_.c_in + kBlock * s_.c_out);
}
int64_t LineConv::forward_scratch() const { return weight_floats() + threads_ * block_floats(); }

void LineConv::forward(const PooledConvForward& t, float* scratch) const {
  transform_line_weight(s_, t.weight, kernels_.panel, scratch);
  const int64_t used = s_.w / s_.pool_w * s_.pool_w;  // cells that have an output
  const int64_t blocks = (used + kBlock * kLineTile - 1) / (kBlock * kLineTile);
  const int64_t input_tiles = kBlock + groups() - 1;
#pragma omp parallel num_threads(threads_)
  {
    float* v = scratch + weight_floats() + omp_get_thread_num() * block_floats();
    float* m = v + kLinePoints * (kBlock + kMostGroups) * s_.c_in;
#pragma omp for schedule(dynamic, 4)
    for (int64_t b = 0; b < s_.n * blocks; ++b) {
      const LineBlock block{b / blocks, b % blocks * kBlock, kBlock};
      kernels_.input(s_, t.x, {block.n, block.first, input_tiles}, v);
      kernels_.product({v, input_tiles * s_.c_in, s_.c_in, scratch, m, kLinePoints, kBlock,
                        s_.c_out, groups() * s_.c_in});
      kernels_.output(s_, t, block, m);
    }
  }
}

}  // namespace earshot
