#include "kernels/winograd.h"

#include <omp.h>

#include <algorithm>
#include <vector>

#include "kernels/cook_toom.h"
#include "kernels/winograd_tiles.h"

namespace earshot {
namespace {

constexpr int64_t kBlockFloats = 240 * 1024;  // of a block's transformed tensors: stays in L2
constexpr int64_t kRowsStep = 12;             // the micro-tiles' rows divide it
constexpr int64_t kMostParts = 16;            // partial sums of the weight's gradient

const WinogradKernels& kernels_of(const PooledConvShape& s, int64_t tile, Simd simd) {
  return simd == Simd::kAvx512 ? winograd_avx512(s.kernel_h, tile)
                               : winograd_avx2(s.kernel_h, tile);
}

int64_t round_up(int64_t x, int64_t step) { return (x + step - 1) / step * step; }

/// G of the kernel size, with rows as plain pointers.
class FilterTransform {
 public:
  FilterTransform(int64_t taps, int64_t tile) : taps_(taps), points_(taps + tile - 1) {
    if (tile == 6)
      copy(CookToom<4, 6>::filter());
    else if (taps == 4)
      copy(CookToom<4>::filter());
    else
      copy(CookToom<3>::filter());
  }
  double at(int64_t point, int64_t tap) const { return g_[point * taps_ + tap]; }
  int64_t taps() const { return taps_; }
  int64_t points() const { return points_; }

 private:
  template <class Rows>
  void copy(const Rows& rows) {
    for (const auto& row : rows) g_.insert(g_.end(), row.begin(), row.end());
  }
  int64_t taps_, points_;
  std::vector<double> g_;
};

/// U = G w G^T in double, in panels of output channels: u [points^2][outputs / panel][inputs]
/// [panel]. Turned: input and output channels change places and the kernel is turned by 180
/// degrees.
void transform_weight(const PooledConvShape& s, const FilterTransform& g, const float* weight,
                      bool turned, int64_t panel, float* u) {
  const int64_t r = g.taps(), n = g.points(), taps = r * r, size = s.c_in * s.c_out;
#pragma omp parallel for schedule(static)
  for (int64_t co = 0; co < s.c_out; ++co) {
    std::vector<double> row(static_cast<size_t>(n * r * s.c_in)), sum(static_cast<size_t>(s.c_in));
    for (int64_t k = 0; k < n; ++k)
      for (int64_t j = 0; j < r; ++j)
        for (int64_t i = 0; i < r; ++i) {
          const int64_t tap = turned ? taps - 1 - (i * r + j) : i * r + j;
          for (int64_t ci = 0; ci < s.c_in; ++ci)
            row[(k * r + j) * s.c_in + ci] += g.at(k, i) * weight[(co * taps + tap) * s.c_in + ci];
        }
    for (int64_t k = 0; k < n * n; ++k) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t j = 0; j < r; ++j)
        for (int64_t ci = 0; ci < s.c_in; ++ci)
          sum[ci] += g.at(k % n, j) * row[(k / n * r + j) * s.c_in + ci];
      for (int64_t ci = 0; ci < s.c_in; ++ci) {
        const int64_t in = turned ? co : ci, out = turned ? ci : co;
        const int64_t depth = turned ? s.c_out : s.c_in;
        u[k * size + (out / panel * depth + in) * panel + out % panel] =
            static_cast<float>(sum[ci]);
      }
    }
  }
}

/// dweight = G^T (sum over parts of u) G; u [points^2][c_in][c_out], parts `stride` floats apart.
void gather_weight_gradient(const PooledConvShape& s, const FilterTransform& g, const float* u,
                            int64_t parts, int64_t stride, float* dweight) {
  const int64_t r = g.taps(), n = g.points(), c = s.c_out;
#pragma omp parallel for schedule(static)
  for (int64_t ci = 0; ci < s.c_in; ++ci) {
    std::vector<double> sum(static_cast<size_t>(c)), rows(static_cast<size_t>(r * n * c));
    for (int64_t k = 0; k < n * n; ++k) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t part = 0; part < parts; ++part)
        for (int64_t co = 0; co < c; ++co) sum[co] += u[part * stride + (k * s.c_in + ci) * c + co];
      for (int64_t i = 0; i < r; ++i)
        for (int64_t co = 0; co < c; ++co)
          rows[(i * n + k % n) * c + co] += g.at(k / n, i) * sum[co];
    }
    for (int64_t tap = 0; tap < r * r; ++tap) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t l = 0; l < n; ++l)
        for (int64_t co = 0; co < c; ++co)
          sum[co] += g.at(l, tap % r) * rows[(tap / r * n + l) * c + co];
      for (int64_t co = 0; co < c; ++co)
        dweight[(co * r * r + tap) * s.c_in + ci] = static_cast<float>(sum[co]);
    }
  }
}

}  // namespace

bool Winograd::fits(const PooledConvShape& s, int64_t tile) {
  const auto channels = [](int64_t c) { return c % 32 == 0 && c <= 512; };
  const auto pool = [&](int64_t p) { return (p == 1 || p == 2 || p == 4) && tile % p == 0; };
  const bool kernel = s.kernel_h == 4 || (s.kernel_h == 3 && tile == kTile);
  return s.kernel_h == s.kernel_w && kernel && channels(s.c_in) && channels(s.c_out) &&
         pool(s.pool_h) && pool(s.pool_w);
}

Winograd::Winograd(const PooledConvShape& shape, int threads, int64_t tile, Simd simd)
    : s_(shape), kernels_(kernels_of(shape, tile, simd)), threads_(threads), tile_(tile) {
  const int64_t side = s_.kernel_h + tile - 1;
  points_ = side * side;
  tiles_ = tiles(s_, tile);
  const int64_t most = kBlockFloats / (points_ * (s_.c_in + s_.c_out));
  rows_ = std::min(std::max(most / kRowsStep, int64_t{1}) * kRowsStep, round_up(tiles_, kRowsStep));
}

int64_t Winograd::tiles(const PooledConvShape& s, int64_t tile) {
  return s.n * ((s.h + tile - 1) / tile) * ((s.w + tile - 1) / tile);
}
int64_t Winograd::parts() const {  // a partial sum costs about as much as c_in + c_out tiles
  return std::clamp(tiles_ / (s_.c_in + s_.c_out), int64_t{1}, std::min(kMostParts, blocks()));
}
int64_t Winograd::blocks() const { return (tiles_ + rows_ - 1) / rows_; }
TileBlock Winograd::block_of(int64_t b) const {
  return {b * rows_, std::min(rows_, tiles_ - b * rows_), rows_, rows_};
}
int64_t Winograd::block_floats() const { return points_ * (stride(s_.c_in) + stride(s_.c_out)); }
int64_t Winograd::stride(int64_t channels) const { return TileBlock::stride(rows_, channels); }
int64_t Winograd::part_floats() const {
  return round_up(points_ * s_.c_in * s_.c_out + s_.c_out, 16);
}
int64_t Winograd::forward_scratch() const {
  return points_ * s_.c_in * s_.c_out + threads_ * block_floats();
}
int64_t Winograd::weight_scratch() const {
  return parts() * part_floats() + threads_ * block_floats();
}

/// m [points][rows][to] = v [points][rows][from] u, of one block.
PointProducts Winograd::point_products(const float* v, int64_t from, const float* u, float* m,
                                       int64_t to) const {
  return {v, stride(from), from, u, from * to, m, stride(to), points_, rows_, to, from};
}

template <class Work>
void Winograd::each_block(float* scratch, const Work& work) const {
#pragma omp parallel num_threads(threads_)
  {
    float* mine = scratch + omp_get_thread_num() * block_floats();
#pragma omp for schedule(dynamic, 1)
    for (int64_t b = 0; b < blocks(); ++b) work(block_of(b), mine);
  }
}

void Winograd::forward(const PooledConvForward& t, float* scratch) const {
  forward(
      t, [&](const TileBlock& block, float* v) { kernels_.input(s_, t.x, block, v); }, scratch);
}

void Winograd::forward(const PooledConvForward& t, const Input& input, float* scratch) const {
  transform_weight(s_, {s_.kernel_h, tile_}, t.weight, /*turned=*/false, kernels_.panel, scratch);
  each_block(scratch + points_ * s_.c_in * s_.c_out, [&](const TileBlock& block, float* v) {
    float* m = v + points_ * stride(s_.c_in);
    input(block, v);
    kernels_.product(point_products(v, s_.c_in, scratch, m, s_.c_out));
    kernels_.output(s_, t, block, m);
  });
}

void Winograd::data_gradient(const PooledConvBackward& t, float* scratch) const {
  transform_weight(s_, {s_.kernel_h, tile_}, t.weight, /*turned=*/true, kernels_.panel, scratch);
  each_block(scratch + points_ * s_.c_in * s_.c_out, [&](const TileBlock& block, float* v) {
    float* m = v + points_ * stride(s_.c_out);
    kernels_.gradient_input(s_, t, block, v);
    kernels_.product(point_products(v, s_.c_out, scratch, m, s_.c_in));
    kernels_.gradient(s_, t.dx, block, m);
  });
}

void Winograd::weight_gradient(const PooledConvBackward& t, float* scratch) const {
  const int64_t count = parts(), weights = points_ * s_.c_in * s_.c_out;
  float* spaces = scratch + count * part_floats();
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads_)
  for (int64_t part = 0; part < count; ++part) {
    float* sum = scratch + part * part_floats();
    float* v = spaces + omp_get_thread_num() * block_floats();
    float* m = v + points_ * stride(s_.c_in);
    std::fill_n(sum, part_floats(), 0.0f);
    for (int64_t b = part * blocks() / count; b < (part + 1) * blocks() / count; ++b) {
      const TileBlock block = block_of(b);
      kernels_.input(s_, t.x, block, v);
      kernels_.gradient_output(s_, t, block, m, sum + weights);
      kernels_.sum_of_products({v, stride(s_.c_in), s_.c_in, m, stride(s_.c_out), sum,
                                s_.c_in * s_.c_out, points_, s_.c_in, s_.c_out, rows_});
    }
  }
  gather_weight_gradient(s_, {s_.kernel_h, tile_}, scratch, count, part_floats(), t.dweight);
  for (int64_t co = 0; co < s_.c_out; ++co) {
    t.dbias[co] = 0;
    for (int64_t part = 0; part < count; ++part)
      t.dbias[co] += scratch[part * part_floats() + weights + co];
  }
}

}  // namespace earshot
