#include "kernels/fused_block.h"

#include <omp.h>

#include <algorithm>
#include <array>

#include "kernels/line_conv_kernels.h"
#include "kernels/mono_conv_kernels.h"
#include "kernels/pooled_conv_kernels.h"

namespace earshot {
namespace {

constexpr int64_t kBefore = (kFusedTaps - 1) / 2;
constexpr int64_t kC = kFusedChannels, kRunFloats = kFusedTaps * kC;
constexpr int64_t kMostParts = 16;
constexpr int64_t kBlockCells = 128;  // of z, and of its gradient, at once in backward: L1

const MonoKernels& mono_of(Simd simd) {
  return simd == Simd::kAvx512 ? mono_avx512(/*line=*/true) : mono_avx2(/*line=*/true);
}

/// Cells [first, first + kCells) of one example's z, zeros outside of [0, w).
template <int64_t kCells>
struct Recomputed {
  alignas(64) float z[kCells * kC];
  float x[kCells + kFusedTaps - 1];  // the samples from first - kBefore on

  /// weight1 as [taps, c_mid].
  void compute(const MonoKernels& mono, const float* wave, int64_t w, int64_t first,
               const float* weight1, const float* bias1) {
    for (int64_t i = 0; i < kCells + kFusedTaps - 1; ++i) {
      const int64_t at = first - kBefore + i;
      x[i] = at >= 0 && at < w ? wave[at] : 0.0f;
    }
    const int64_t from = std::clamp<int64_t>(-first, 0, kCells);
    const int64_t to = std::clamp<int64_t>(w - first, from, kCells);
    std::fill(z, z + from * kC, 0.0f);
    std::fill(z + to * kC, z + kCells * kC, 0.0f);
    mono.forward_near({x + from, 0, to - from, kC, weight1, bias1, z + from * kC});
  }
};

void transpose_weight1(const float* weight, float* to) {
  for (int64_t k = 0; k < kFusedTaps; ++k)
    for (int64_t m = 0; m < kC; ++m) to[k * kC + m] = weight[m * kFusedTaps + k];
}

PooledConvShape second_convolution(const FusedBlockShape& s) {
  return {s.n, 1, s.w, s.c_mid, s.c_out, 1, kFusedTaps, 1, s.pool};
}

int64_t windows(const FusedBlockShape& s) { return s.n * s.out_w(); }
int64_t parts(const FusedBlockShape& s) { return std::min(windows(s), kMostParts); }
/// dweight2, dbias2, and dweight1 with dbias1 as [taps + 1, c_mid].
int64_t part_floats(const FusedBlockShape& s) {
  return s.weight2_count() + s.c_out + (kFusedTaps + 1) * s.c_mid;
}

/// Backward of a range of windows, example by example and block by block.
class Range {
 public:
  Range(const FusedBlockShape& s, const FusedBlockBackward& t, const float* weight1, float* sums,
        Simd simd)
      : s_(s),
        t_(t),
        weight1_(weight1),
        dweight2_(sums),
        dbias2_(sums + s.weight2_count()),
        first_layer_(dbias2_ + s.c_out),
        mono_(mono_of(simd)),
        runs_(simd == Simd::kAvx512 ? runs_avx512() : runs_avx2()) {}

  /// Windows [from, to) of example n.
  void windows_of(int64_t n, int64_t from, int64_t to) {
    n_ = n;
    // Fields reach into the neighbouring windows, whose winners reach into ours.
    const int64_t low = std::max<int64_t>(from - 1, 0), high = std::min(to + 1, s_.out_w());
    cells_from_ = from * s_.pool;
    cells_to_ = to == s_.out_w() ? s_.w : to * s_.pool;
    dz_.fill(0.0f);
    int64_t done = 0;
    for (int64_t first = low; first < high; first += done / s_.pool) {
      const int64_t stop = first < from ? from : first < to ? to : high;
      const int64_t last = std::min(first + kBlockCells / s_.pool, stop);
      done = (last - first) * s_.pool;
      block(first, last, /*own=*/first >= from && first < to);
      finish(first * s_.pool - kBefore, done, 0);  // later blocks do not reach these
      std::copy(dz_.begin() + done * kC, dz_.begin() + (done + 2 * kBefore) * kC, dz_.begin());
      std::fill(dz_.begin() + 2 * kBefore * kC, dz_.end(), 0.0f);
    }
    finish(high * s_.pool - kBefore, 2 * kBefore, done);
  }

 private:
  static constexpr int64_t kCells = kBlockCells + 2 * kBefore;

  /// z_ and dz_ begin with cell first * pool - kBefore.
  void block(int64_t first, int64_t last, bool own) {
    z_.compute(mono_, t_.x + n_ * s_.w, s_.w, first * s_.pool - kBefore, weight1_, t_.bias1);
    std::array<int64_t, kC> counts{};
    for (int64_t o = first; o < last; ++o)
      for (int64_t c = 0; c < kC; ++c) {
        const int64_t i = (n_ * s_.out_w() + o) * kC + c;
        if (!(t_.y[i] > 0)) continue;
        offsets_[c][counts[c]] = ((o - first) * s_.pool + t_.argmax[i]) * kC;
        gradients_[c][counts[c]++] = t_.dy[i];
        if (own) dbias2_[c] += t_.dy[i];
      }
    for (int64_t c = 0; c < kC; ++c) {
      const Runs runs{offsets_[c].data(), gradients_[c].data(), counts[c], kRunFloats};
      if (own) runs_.sum(runs, z_.z, dweight2_ + c * kRunFloats);
      runs_.spread(runs, t_.weight2 + c * kRunFloats, dz_.data());
    }
  }

  /// The first layer's gradient from `count` cells from `start` on: the first ones of dz_, and
  /// those of z_ behind `skipped` ones.
  void finish(int64_t start, int64_t count, int64_t skipped) {
    const int64_t from = std::max(start, cells_from_), to = std::min(start + count, cells_to_);
    if (from >= to) return;
    const int64_t in_z = skipped + from - start;
    mono_.weight_gradient({z_.x + in_z, 0, to - from, kC, z_.z + in_z * kC,
                           dz_.data() + (from - start) * kC, first_layer_});
  }

  const FusedBlockShape& s_;
  const FusedBlockBackward& t_;
  const float* weight1_;
  float *dweight2_, *dbias2_, *first_layer_;
  const MonoKernels& mono_;
  const RunKernels& runs_;
  int64_t n_ = 0, cells_from_ = 0, cells_to_ = 0;
  Recomputed<kCells> z_;
  std::array<float, kCells * kC> dz_;
  std::array<std::array<int64_t, kBlockCells / 8>, kC> offsets_;
  std::array<std::array<float, kBlockCells / 8>, kC> gradients_;
};

// Forward as in line_conv.h, this many cells of the output at once; groups of 4 or 6 taps reach 12
// taps far.
constexpr int64_t kCellsAtOnce = 192, kInputCells = kCellsAtOnce + 12 - 1;

int64_t weight_floats(const LineKernels& line) {
  return line.points * line.groups(kFusedTaps) * kC * kC;
}
/// Of a block's transformed input.
int64_t input_floats(const LineKernels& line) {
  return line.points * line.input_tiles(kCellsAtOnce / line.tile, kFusedTaps) * kC;
}
int64_t block_floats(const LineKernels& line) {
  return input_floats(line) + line.points * (kCellsAtOnce / line.tile) * kC;
}

}  // namespace

bool fused_block_fits(const FusedBlockShape& s) {
  return s.fits() && s.c_mid == kC && s.c_out == kC;
}

int64_t fused_block_forward_scratch(const FusedBlockShape& s, int threads, int64_t tile) {
  const LineKernels& line = line_kernels(tile, Simd::kAvx2);
  return s.weight1_count() + weight_floats(line) + threads * block_floats(line);
}

void fused_block_forward(const FusedBlockShape& s, const FusedBlockForward& t, int threads,
                         int64_t tile, Simd simd) {
  const MonoKernels& mono = mono_of(simd);
  const LineKernels& line = line_kernels(tile, simd);
  const PooledConvShape second = second_convolution(s);
  float* weight1 = t.scratch;
  float* u = weight1 + s.weight1_count();
  transpose_weight1(t.weight1, weight1);
  transform_line_weight(second, line, t.weight2, u);
  const PooledConvShape local{1, 1, kInputCells, kC, kC, 1, 1, 1, 1};
  const int64_t blocks = (s.out_w() * s.pool + kCellsAtOnce - 1) / kCellsAtOnce;
  const int64_t tiles = kCellsAtOnce / line.tile, step = line.step(kFusedTaps);
  const int64_t inputs = line.input_tiles(tiles, kFusedTaps), depth = line.groups(kFusedTaps) * kC;
#pragma omp parallel num_threads(threads)
  {
    Recomputed<kInputCells> z;
    float* v = u + weight_floats(line) + omp_get_thread_num() * block_floats(line);
    float* m = v + input_floats(line);
#pragma omp for schedule(dynamic, 4)
    for (int64_t b = 0; b < s.n * blocks; ++b) {
      const int64_t n = b / blocks, first = b % blocks;
      z.compute(mono, t.x + n * s.w, s.w, first * kCellsAtOnce - kBefore, weight1, t.bias1);
      line.input(local, z.z, {0, 0, inputs}, step, v);
      line.product(
          {v, inputs * kC, step * kC, u, depth * kC, m, tiles * kC, line.points, tiles, kC, depth});
      line.output(second, {nullptr, nullptr, t.bias2, t.y, t.argmax}, {n, first * tiles, tiles}, m);
    }
  }
}

int64_t fused_block_backward_scratch(const FusedBlockShape& s) {
  return s.weight1_count() + parts(s) * part_floats(s);
}

void fused_block_backward(const FusedBlockShape& s, const FusedBlockBackward& t, Simd simd) {
  const int64_t count = parts(s), size = part_floats(s), second = s.weight2_count() + s.c_out;
  float* weight1 = t.scratch;
  float* sums = weight1 + s.weight1_count();
  transpose_weight1(t.weight1, weight1);
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t part = 0; part < count; ++part) {
    std::fill_n(sums + part * size, size, 0.0f);
    Range range(s, t, weight1, sums + part * size, simd);
    const int64_t end = (part + 1) * windows(s) / count;
    for (int64_t at = part * windows(s) / count; at < end;) {
      const int64_t n = at / s.out_w(), stop = std::min(end, (n + 1) * s.out_w());
      range.windows_of(n, at - n * s.out_w(), stop - n * s.out_w());
      at = stop;
    }
  }
  for (int64_t i = 0; i < size; ++i) {
    float sum = 0;
    for (int64_t part = 0; part < count; ++part) sum += sums[part * size + i];
    const int64_t k = (i - second) / kC, c = (i - second) % kC;
    if (i < s.weight2_count())
      t.dweight2[i] = sum;
    else if (i < second)
      t.dbias2[i - s.weight2_count()] = sum;
    else
      (k < kFusedTaps ? t.dweight1[c * kFusedTaps + k] : t.dbias1[c]) = sum;
  }
}

}  // namespace earshot
