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
constexpr int kChunk = kHeldFloats * kWarp;
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
  // Cells of a plane are counted in 32 bits: 64-bit divisions are subroutines.
  const uint32_t out_h = static_cast<uint32_t>(s.h / s.pool_h);
  const uint32_t out_w = static_cast<uint32_t>(s.w / s.pool_w);
  const uint32_t all = static_cast<uint32_t>(window), row = all / out_w, n = row / out_h;
  const int pool_w = static_cast<int>(s.pool_w), pool_h = static_cast<int>(s.pool_h);
  const int cell = t.argmax[i];
  winner.g = t.dy[i];
  winner.h = static_cast<int>(row - n * out_h) * pool_h + cell / pool_w -
             static_cast<int>((s.kernel_h - 1) / 2);
  winner.w = static_cast<int>(all - row * out_w) * pool_w + cell % pool_w -
             static_cast<int>((s.kernel_w - 1) / 2);
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
  int offset[kPacks];  // of the pack's tap from the winner's start in x, in floats

  __device__ static int place(int chunk, int q) {  // in the channel's weights
    return chunk * kChunk + (q * kWarp + static_cast<int>(threadIdx.x)) * V;
  }
  __device__ Held(const PooledConvShape& s, int chunk) {
    const int line = static_cast<int>(s.kernel_w * s.c_in);
#pragma unroll
    for (int q = 0; q < kPacks; ++q) {
      const int i = place(chunk, q);
      // Behind the last weight: any tap; its sum is never stored.
      offset[q] = i < run_length(s) ? i / line * static_cast<int>(s.w * s.c_in) + i % line : 0;
    }
  }
  __device__ void add(float g, const float* x, int q) {
    const auto tap = *reinterpret_cast<const Pack<float, V>*>(x + offset[q]);
#pragma unroll
    for (int j = 0; j < V; ++j) sum[q].v[j] += g * tap.v[j];
  }
  /// Whether the tap lies within the plane for a winner whose field starts at h, w.
  __device__ static bool within(const PooledConvShape& s, int i, int h, int w) {
    const int c_in = static_cast<int>(s.c_in), tap = i / c_in;
    const int kernel_w = static_cast<int>(s.kernel_w);
    const int row = h + tap / kernel_w, column = w + tap % kernel_w;
    return i < run_length(s) && row >= 0 && row < s.h && column >= 0 && column < s.w;
  }
};

/// part_sums [parts, weight_count + c_out]
template <int V>
__global__ void __launch_bounds__(kWarp* kWarps)
    sum_weights(PooledConvShape s, PooledConvBackward t, Cut cut, float* part_sums) {
  const unsigned groups = static_cast<unsigned>(ceil_div(s.c_out, kWarps));
  const int64_t co = blockIdx.x % groups * kWarps + threadIdx.y;
  const int chunk = static_cast<int>(blockIdx.x / groups);
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
    for (; left != 0; left &= left - 1) {
      const unsigned lane = static_cast<unsigned>(__ffs(static_cast<int>(left))) - 1;
      const float g = __shfl_sync(kAllLanes, mine.g, lane);
      const float* x = t.x + __shfl_sync(kAllLanes, mine.start, lane);
      if (inside >> lane & 1) {
#pragma unroll
        for (int q = 0; q < Held<V>::kPacks; ++q) held.add(g, x, q);
      } else {
        const int h = __shfl_sync(kAllLanes, mine.h, lane);
        const int w = __shfl_sync(kAllLanes, mine.w, lane);
#pragma unroll
        for (int q = 0; q < Held<V>::kPacks; ++q)
          if (Held<V>::within(s, Held<V>::place(chunk, q), h, w)) held.add(g, x, q);
      }
    }
  }
  float* sums = part_sums + part * (s.weight_count() + s.c_out);
#pragma unroll
  for (int q = 0; q < Held<V>::kPacks; ++q) {
    const int i = Held<V>::place(chunk, q);
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
