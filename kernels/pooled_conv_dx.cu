// dx: the positive winners of each window are sorted by cell; then every thread gathers V channels
// of one cell of dx from the winners within reach of the kernel, in a fixed order: kernel rows,
// cells, output channels.
#include "kernels/pooled_conv.cuh"

namespace earshot::cuda {
namespace {

constexpr int kWarps = 8, kThreads = 256;

/// A winner: its gradient, and where the row of weights that reaches input cell w lies:
/// weight + from + (k kernel_w + w + before) c_in, k the kernel's row.
struct Item {
  float g;
  int32_t from;
};

struct WinnerLists {
  Item* items;      // [windows, c_out], the first starts[p] of each in use
  int32_t* starts;  // [windows, p + 1]: where the winners of each cell begin
};

WinnerLists lists_in(const PooledConvShape& s, float* scratch) {
  return {reinterpret_cast<Item*>(scratch),
          reinterpret_cast<int32_t*>(scratch + 2 * window_count(s) * s.c_out)};
}

/// One warp per window. Six blocks a multiprocessor leave 40 registers: unasked, ptxas spills for
/// eight.
__global__ void __launch_bounds__(kWarp* kWarps, 6)
    sort_winners(PooledConvShape s, PooledConvBackward t, WinnerLists lists) {
  const int64_t window = int64_t{blockIdx.x} * kWarps + threadIdx.y;
  if (window >= window_count(s)) return;
  const int cells = static_cast<int>(s.pool_h * s.pool_w), pool_w = static_cast<int>(s.pool_w);
  const int64_t column = window % (s.w / s.pool_w) * s.pool_w;
  Item* items = lists.items + window * s.c_out;
  int32_t* starts = lists.starts + window * (cells + 1);
  int count = 0;
  for (int cell = 0; cell < cells; ++cell) {
    if (threadIdx.x == 0) starts[cell] = count;
    for (int64_t first = 0; first < s.c_out; first += kWarp) {
      const int64_t co = first + threadIdx.x, i = window * s.c_out + co;
      const bool mine = co < s.c_out && t.argmax[i] == cell && t.y[i] > 0 && t.dy[i] != 0;
      const unsigned all = __ballot_sync(kAllLanes, mine);
      if (mine)
        items[count + __popc(all & ((1u << threadIdx.x) - 1))] = {
            t.dy[i], static_cast<int32_t>(co * run_length(s) - (column + cell % pool_w) * s.c_in)};
      count += __popc(all);
    }
  }
  if (threadIdx.x == 0) starts[cells] = count;
}

/// A stretch of cells of one row of windows: [first, last].
struct Reach {
  int64_t window_row;  // n * out_h + oh
  int64_t row;         // within the windows
  int64_t first, last;
};

template <int V>
__device__ inline void gather_row(const PooledConvShape& s, const WinnerLists& lists,
                                  const Reach& reach, const float* weight, Pack<float, V>& sum) {
  const int64_t out_w = s.w / s.pool_w, cells = s.pool_h * s.pool_w;
  for (int64_t ow = reach.first / s.pool_w; ow * s.pool_w <= reach.last; ++ow) {
    const int64_t window = reach.window_row * out_w + ow, at = ow * s.pool_w;
    const int32_t* starts = lists.starts + window * (cells + 1) + reach.row * s.pool_w;
    const int64_t from = reach.first > at ? reach.first - at : 0;
    const int64_t to = reach.last - at < s.pool_w - 1 ? reach.last - at : s.pool_w - 1;
    const Item* items = lists.items + window * s.c_out;
    for (int j = starts[from]; j < starts[to + 1]; ++j) {
      const Item item = items[j];
      const auto w = *reinterpret_cast<const Pack<float, V>*>(weight + item.from);
#pragma unroll
      for (int k = 0; k < V; ++k) sum.v[k] += item.g * w.v[k];
    }
  }
}

template <int V>
__global__ void __launch_bounds__(kThreads)
    gather_input_gradient(PooledConvShape s, WinnerLists lists, const float* weight, float* dx) {
  const uint32_t groups = static_cast<uint32_t>(s.c_in / V);
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  const int64_t w = i / groups, channel = int64_t{i % groups} * V;
  if (w >= s.w) return;
  const int64_t before_h = (s.kernel_h - 1) / 2, before_w = (s.kernel_w - 1) / 2;
  const int64_t out_h = s.h / s.pool_h, pooled_w = s.w / s.pool_w * s.pool_w;
  const int64_t first = w + before_w - (s.kernel_w - 1), last = w + before_w;
  for (int64_t line = blockIdx.y; line < s.n * s.h; line += gridDim.y) {
    const int64_t n = line / s.h, h = line % s.h;
    Pack<float, V> sum = {};
    for (int64_t k = 0; k < s.kernel_h; ++k) {
      const int64_t from = h + before_h - k;  // the winners' row
      if (from < 0 || from >= out_h * s.pool_h) continue;
      const Reach reach{n * out_h + from / s.pool_h, from % s.pool_h, first > 0 ? first : 0,
                        last < pooled_w - 1 ? last : pooled_w - 1};
      gather_row<V>(s, lists, reach, weight + (k * s.kernel_w + w + before_w) * s.c_in + channel,
                    sum);
    }
    *reinterpret_cast<Pack<float, V>*>(dx + (line * s.w + w) * s.c_in + channel) = sum;
  }
}

}  // namespace

int64_t winner_lists_length(const PooledConvShape& s) {
  return 2 * window_count(s) * s.c_out + window_count(s) * (s.pool_h * s.pool_w + 1);
}

void pooled_conv_input_gradient(const PooledConvShape& s, const PooledConvBackward& t,
                                float* scratch, Stream stream) {
  const WinnerLists lists = lists_in(s, scratch);
  launch("pooled_conv_backward: winners", sort_winners,
         {blocks_x(ceil_div(window_count(s), kWarps)), {kWarp, kWarps}}, stream, s, t, lists);
  const bool wide = packs_of_four(s.c_in, t.weight, t.dx);
  launch("pooled_conv_backward: dx", wide ? gather_input_gradient<4> : gather_input_gradient<1>,
         {{blocks_x(ceil_div(s.w * (wide ? s.c_in / 4 : s.c_in), kThreads)), blocks_y(s.n * s.h)},
          kThreads},
         stream, s, lists, t.weight, t.dx);
}

}  // namespace earshot::cuda
