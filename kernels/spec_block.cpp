#include "kernels/spec_block.h"

#include <omp.h>

#include <algorithm>

#include "kernels/mono_conv_kernels.h"
#include "kernels/winograd_tiles.h"

namespace earshot {
namespace {

constexpr int64_t kTile = Winograd::kForwardTile;
constexpr int64_t kBefore = 1, kRim = 3;  // of the padding of 4 taps; cells under a tile besides it
constexpr int64_t kHigh = kTile + kRim;

const MonoKernels& mono_of(Simd simd) {
  return simd == Simd::kAvx512 ? mono_avx512(/*line=*/false) : mono_avx2(/*line=*/false);
}

int64_t wide(int64_t tiles) { return tiles * kTile + kRim; }

/// `x` [high, wide] from (h0, w0) of a plane [h, w] on; zeros outside.
void copy_window(const float* plane, int64_t h, int64_t w, int64_t h0, int64_t w0, int64_t high,
                 int64_t wide, float* x) {
  const int64_t from = std::clamp<int64_t>(-w0, 0, wide), to = std::clamp(w - w0, from, wide);
  std::fill_n(x, high * wide, 0.0f);
  for (int64_t i = std::max<int64_t>(-h0, 0); i < std::min(high, h - h0); ++i) {
    const float* row = plane + (h0 + i) * w + w0;
    std::copy(row + from, row + to, x + i * wide + from);
  }
}

}  // namespace

/// The first convolution's output under neighbouring tiles of one row: [kHigh, wide(tiles), c],
/// zeros outside of the plane.
struct SpecBlock::Strip {
  float* z;
  float* x;  // what lies under z

  static int64_t x_floats(int64_t tiles) { return (kHigh + kRim) * (wide(tiles) + kRim); }

  void compute(const PooledConvShape& s, const MonoKernels& mono, const SpecBlockForward& t,
               const float* weight1, int64_t n, int64_t h0, int64_t w0, int64_t tiles) const {
    const int64_t width = wide(tiles), stride = width + kRim;
    copy_window(t.x + n * s.h * s.w, s.h, s.w, h0 - kBefore, w0 - kBefore, kHigh + kRim, stride, x);
    const int64_t from = std::clamp<int64_t>(-w0, 0, width), to = std::clamp(s.w - w0, from, width);
    for (int64_t i = 0; i < kHigh; ++i) {
      float* row = z + i * width * s.c_in;
      if (h0 + i < 0 || h0 + i >= s.h) {
        std::fill_n(row, width * s.c_in, 0.0f);
        continue;
      }
      std::fill_n(row, from * s.c_in, 0.0f);
      std::fill(row + to * s.c_in, row + width * s.c_in, 0.0f);
      mono.forward_near({x + i * stride + from, stride, to - from, s.c_in, weight1, t.bias1,
                         row + from * s.c_in});
    }
  }
};

SpecBlock::SpecBlock(const PooledConvShape& second, int threads, Simd simd)
    : s_(second), simd_(simd), threads_(threads), winograd_(second, threads, kTile, simd) {}

int64_t SpecBlock::strip_floats() const {
  const int64_t tiles = winograd_.block_rows();
  return (kHigh * wide(tiles) * s_.c_in + Strip::x_floats(tiles) + 15) / 16 * 16;
}
int64_t SpecBlock::forward_scratch() const {
  return winograd_.forward_scratch() + threads_ * strip_floats() + kTaps * kTaps * s_.c_in;
}

void SpecBlock::forward(const SpecBlockForward& t, float* scratch) const {
  constexpr int64_t kAll = kTaps * kTaps;
  const MonoKernels& mono = mono_of(simd_);
  float* strips = scratch + winograd_.forward_scratch();
  float* weight1 = strips + threads_ * strip_floats();  // as [taps, c]
  for (int64_t k = 0; k < kAll; ++k)
    for (int64_t c = 0; c < s_.c_in; ++c) weight1[k * s_.c_in + c] = t.weight1[c * kAll + k];

  const int64_t across = (s_.w + kTile - 1) / kTile, down = (s_.h + kTile - 1) / kTile;
  const auto input = [&](const TileBlock& block, float* v) {
    float* z = strips + omp_get_thread_num() * strip_floats();
    const Strip strip{z, z + kHigh * wide(block.rows) * s_.c_in};
    int64_t done = 0;
    while (done < block.count) {  // the tiles of one row at a time
      const int64_t tile = block.first + done, column = tile % across, row = tile / across;
      const int64_t tiles = std::min(across - column, block.count - done);
      strip.compute(s_, mono, t, weight1, row / down, row % down * kTile - kBefore,
                    column * kTile - kBefore, tiles);
      const bool last = done + tiles == block.count;
      const PooledConvShape local{1, kHigh, wide(tiles), s_.c_in, s_.c_out, 1, 1, 1, 1};
      winograd_.kernels().input(local, strip.z,
                                {0, tiles, last ? block.rows - done : tiles, block.spacing},
                                v + done * s_.c_in);
      done += tiles;
    }
  };
  winograd_.forward({nullptr, t.weight2, t.bias2, t.y, nullptr}, input, scratch);
}

}  // namespace earshot
