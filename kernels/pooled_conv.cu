// dweight: a warp holds 512 consecutive weights of one output channel in registers and walks the
// winners of a part of the windows in order; the parts are then added in order. The 8 warps of a
// block take neighbouring channels over the same windows, so that x comes from the cache.
// Per winner and 512 weights: 4 loads of 16 bytes and 16 multiply-adds a lane.
#include "kernels/pooled_conv.cuh"
#include "kernels/pooled_conv.h"
#include "kernels/warp.cuh"

namespace earshot::cuda {
namespace {

constexpr int kWarps = 8;        // of a block: output channels
constexpr int kHeldFloats = 16;  // weights of a lane
constexpr int64_t kChunk = int64_t{kHeldFloats} * kWarp;
constexpr int64_t kWantedBlocks = 2048, kLeastWindows = 64;  // in all; of a part

/// How dweight is cut, by the shape alone: the bits are the same on every device.
struct Cut {
  int64_t windows, chunks, parts;  // chunks of a channel's weights
  explicit Cut(const PooledConvShape& s)
      : windows(window_count(s)), chunks(ceil_div(run_length(s), kChunk)), parts(1) {
    const int64_t blocks = ceil_div(s.c_out, kWarps) * chunks;
    const int64_t wanted = ceil_div(kWantedBlocks, blocks), most = ceil_div(windows, kLeastWindows);
    parts = wanted < most ? wanted : most;
  }
};

/// The winner of one window, as its lane sees it.
struct Winner {
  float g = 0;
  int64_t start = 0;     // of its receptive field in x, in floats; before the tensor at an edge
  int32_t h = 0, w = 0;  // of the same, in cells
  bool inside = false;   // the field lies within the plane
};

__device__ inline Winner winner_of(const PooledConvShape& s, const PooledConvBackward& t,
                                   int64_t window, int64_t co) {
  Winner winner;
  const int64_t i = window * s.c_out + co;
  if (!(t.y[i] > 0)) return winner;
  const int64_t out_h = s.h / s.pool_h, out_w = s.w / s.pool_w;
  const int64_t row = window / out_w, n = row / out_h;
  const int32_t cell = t.argmax[i], pool_w = static_cast<int32_t>(s.pool_w);
  winner.g = t.dy[i];
  winner.h = static_cast<int32_t>(row % out_h * s.pool_h - (s.kernel_h - 1) / 2) + cell / pool_w;
  winner.w = static_cast<int32_t>(window % out_w * s.pool_w - (s.kernel_w - 1) / 2) + cell % pool_w;
  winner.start = ((n * s.h + winner.h) * s.w + winner.w) * s.c_in;
  winner.inside = winner.h >= 0 && winner.h + s.kernel_h <= s.h && winner.w >= 0 &&
                  winner.w + s.kernel_w <= s.w;
  return winner;
}

/// One lane's weights: packs of V, a warp's packs side by side.
template <int V>
struct Held {
  static constexpr int kPacks = kHeldFloats / V;
  Pack<float, V> sum[kPacks] = {};
  int64_t offset[kPacks];  // of the pack's tap from the winner's start in x

  __device__ static int64_t place(int64_t chunk, int q) {  // in the channel's weights
    return chunk * kChunk + (int64_t{q} * kWarp + threadIdx.x) * V;
  }
  __device__ Held(const PooledConvShape& s, int64_t chunk) {
    const int64_t line = s.kernel_w * s.c_in;
#pragma unroll
    for (int q = 0; q < kPacks; ++q) {
      const int64_t i = place(chunk, q);
      // Behind the last weight: any tap; its sum is never stored.
      offset[q] = i < run_length(s) ? i / line * s.w * s.c_in + i % line : 0;
    }
  }
  __device__ void add(float g, const float* x, int q) {
    const auto tap = *reinterpret_cast<const Pack<float, V>*>(x + offset[q]);
#pragma unroll
    for (int j = 0; j < V; ++j) sum[q].v[j] += g * tap.v[j];
  }
  __device__ bool within(const PooledConvShape& s, int64_t chunk, int q, int32_t h,
                         int32_t w) const {
    const int64_t line = s.kernel_w * s.c_in, i = place(chunk, q);
    const int64_t row = h + i / line, column = w + i % line / s.c_in;
    return i < run_length(s) && row >= 0 && row < s.h && column >= 0 && column < s.w;
  }
};

/// part_sums [parts, weight_count + c_out]
template <int V>
__global__ void __launch_bounds__(kWarp* kWarps)
    sum_weights(PooledConvShape s, PooledConvBackward t, Cut cut, float* part_sums) {
  const int64_t groups = ceil_div(s.c_out, kWarps);
  const int64_t co = blockIdx.x % groups * kWarps + threadIdx.y, chunk = blockIdx.x / groups;
  if (co >= s.c_out) return;
  const int64_t part = blockIdx.y;
  const int64_t end = (part + 1) * cut.windows / cut.parts;
  Held<V> held(s, chunk);
  float bias = 0;
  for (int64_t first = part * cut.windows / cut.parts; first < end; first += kWarp) {
    Winner mine;
    if (first + threadIdx.x < end) mine = winner_of(s, t, first + threadIdx.x, co);
    bias += mine.g;
    const unsigned inside = __ballot_sync(kAllLanes, mine.inside);
    unsigned left = __ballot_sync(kAllLanes, mine.g != 0);
    for (unsigned lane = 0; left != 0; ++lane, left >>= 1) {
      if (!(left & 1)) continue;
      const float g = __shfl_sync(kAllLanes, mine.g, lane);
      const float* x = t.x + __shfl_sync(kAllLanes, mine.start, lane);
      if (inside >> lane & 1) {
#pragma unroll
        for (int q = 0; q < Held<V>::kPacks; ++q) held.add(g, x, q);
      } else {
        const int32_t h = __shfl_sync(kAllLanes, mine.h, lane);
        const int32_t w = __shfl_sync(kAllLanes, mine.w, lane);
#pragma unroll
        for (int q = 0; q < Held<V>::kPacks; ++q)
          if (held.within(s, chunk, q, h, w)) held.add(g, x, q);
      }
    }
  }
  float* sums = part_sums + part * (s.weight_count() + s.c_out);
#pragma unroll
  for (int q = 0; q < Held<V>::kPacks; ++q) {
    const int64_t i = Held<V>::place(chunk, q);
    if (i < run_length(s))
      *reinterpret_cast<Pack<float, V>*>(sums + co * run_length(s) + i) = held.sum[q];
  }
  bias = warp_sum(bias);
  if (chunk == 0 && threadIdx.x == 0) sums[s.weight_count() + co] = bias;
}

struct AddParts {
  int64_t parts, weights, c_out;
  const float* part_sums;
  float *dweight, *dbias;
  __device__ void operator()(int64_t i) const {
    float sum = 0;
    for (int64_t p = 0; p < parts; ++p) sum += part_sums[p * (weights + c_out) + i];
    (i < weights ? dweight[i] : dbias[i - weights]) = sum;
  }
};

int64_t sums_length(const PooledConvShape& s) {
  const int64_t floats = Cut(s).parts * (s.weight_count() + s.c_out);
  return ceil_div(floats, 4) * 4;
}

}  // namespace

int64_t pooled_conv_scratch(const PooledConvShape& s) {
  return sums_length(s) + winner_lists_length(s);
}

void pooled_conv_backward(const PooledConvShape& s, const PooledConvBackward& t, Stream stream) {
  const Cut cut(s);
  // Parts are separated by weight_count + c_out floats.
  const bool wide = packs_of_four(s.c_in, t.x, t.scratch) && (s.weight_count() + s.c_out) % 4 == 0;
  const Grid grid{{blocks_x(ceil_div(s.c_out, kWarps) * cut.chunks), blocks_y(cut.parts)},
                  {kWarp, kWarps}};
  launch("pooled_conv_backward: dweight", wide ? sum_weights<4> : sum_weights<1>, grid, stream, s,
         t, cut, t.scratch);
  launch_for_each("pooled_conv_backward: parts", s.weight_count() + s.c_out, stream,
                  AddParts{cut.parts, s.weight_count(), s.c_out, t.scratch, t.dweight, t.dbias});
  if (t.dx) pooled_conv_input_gradient(s, t, t.scratch + sums_length(s), stream);
}

}  // namespace earshot::cuda
