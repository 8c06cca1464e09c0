// One thread per window and V channels: neighbours in a warp are neighbours in memory. Bound by
// the memory's speed: forward reads each cell once and backward writes each once.
#include "kernels/launch.cuh"
#include "kernels/pool.h"

namespace earshot::cuda {
namespace {

constexpr int kThreads = 256;

/// The windows, also the partial ones at the end that only backward has to clear.
struct Windows {
  int64_t rows, per_row, groups;  // n * windows down; windows across; c / V
  int64_t down;
};

/// Calls body(n, window row, window column, first channel) for this thread's share.
template <int V, typename Body>
__device__ inline void for_each_window(const Windows& g, const Body& body) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  const uint32_t groups = static_cast<uint32_t>(g.groups), column = i / groups;
  if (column >= g.per_row) return;
  for (int64_t row = blockIdx.y; row < g.rows; row += gridDim.y)
    body(row / g.down, row % g.down, int64_t{column}, int64_t{i % groups} * V);
}

template <int V, typename T>
__global__ void __launch_bounds__(kThreads)
    forward(PoolShape s, Windows g, const T* x, T* y, uint8_t* argmax) {
  using Values = Pack<T, V>;
  using Cells = Pack<uint8_t, V>;
  for_each_window<V>(g, [&](int64_t n, int64_t oh, int64_t ow, int64_t c) {
    const T* window = x + ((n * s.h + oh * s.pool_h) * s.w + ow * s.pool_w) * s.c + c;
    Values best = *reinterpret_cast<const Values*>(window);
    int winner[V] = {};
    int cell = 0;
    for (int64_t i = 0; i < s.pool_h; ++i)
      for (int64_t j = 0; j < s.pool_w; ++j, ++cell) {
        const Values now = *reinterpret_cast<const Values*>(window + (i * s.w + j) * s.c);
#pragma unroll
        for (int k = 0; k < V; ++k)
          if (to_float(now.v[k]) > to_float(best.v[k])) {
            best.v[k] = now.v[k];
            winner[k] = cell;
          }
      }
    Cells cells;
#pragma unroll
    for (int k = 0; k < V; ++k) cells.v[k] = static_cast<uint8_t>(winner[k]);
    const int64_t out = ((n * s.out_h() + oh) * s.out_w() + ow) * s.c + c;
    *reinterpret_cast<Values*>(y + out) = best;
    if (argmax) *reinterpret_cast<Cells*>(argmax + out) = cells;
  });
}

template <int V, typename T>
__global__ void __launch_bounds__(kThreads)
    backward(PoolShape s, Windows g, const T* y, const uint8_t* argmax, const T* dy, T* dx) {
  using Values = Pack<T, V>;
  using Cells = Pack<uint8_t, V>;
  for_each_window<V>(g, [&](int64_t n, int64_t oh, int64_t ow, int64_t c) {
    Values gradient = {};
    Cells winner = {};
    if (oh < s.out_h() && ow < s.out_w()) {
      const int64_t out = ((n * s.out_h() + oh) * s.out_w() + ow) * s.c + c;
      const Values top = *reinterpret_cast<const Values*>(y + out);
      gradient = *reinterpret_cast<const Values*>(dy + out);
      winner = *reinterpret_cast<const Cells*>(argmax + out);
#pragma unroll
      for (int k = 0; k < V; ++k) gradient.v[k] = to_float(top.v[k]) > 0 ? gradient.v[k] : T{};
    }
    for (int64_t i = 0; i < s.pool_h && oh * s.pool_h + i < s.h; ++i)
      for (int64_t j = 0; j < s.pool_w && ow * s.pool_w + j < s.w; ++j) {
        const int cell = static_cast<int>(i * s.pool_w + j);
        Values out;
#pragma unroll
        for (int k = 0; k < V; ++k) out.v[k] = winner.v[k] == cell ? gradient.v[k] : T{};
        const int64_t to = ((n * s.h + oh * s.pool_h + i) * s.w + ow * s.pool_w + j) * s.c + c;
        *reinterpret_cast<Values*>(dx + to) = out;
      }
  });
}

Grid grid_of(const Windows& g) {
  return {{blocks_x(ceil_div(g.per_row * g.groups, kThreads)), blocks_y(g.rows)}, kThreads};
}

}  // namespace

template <typename T>
void max_pool_forward(const PoolShape& s, const T* x, T* y, uint8_t* argmax, Stream stream) {
  const bool wide = packs_of_four(s.c, x, y, argmax);
  const Windows g{s.n * s.out_h(), s.out_w(), wide ? s.c / 4 : s.c, s.out_h()};
  launch("max_pool_forward", wide ? forward<4, T> : forward<1, T>, grid_of(g), stream, s, g, x, y,
         argmax);
}
template void max_pool_forward(const PoolShape&, const float*, float*, uint8_t*, Stream);
template void max_pool_forward(const PoolShape&, const Bf16*, Bf16*, uint8_t*, Stream);

template <typename T>
void max_pool_relu_backward(const PoolShape& s, const T* y, const uint8_t* argmax, const T* dy,
                            T* dx, Stream stream) {
  const bool wide = packs_of_four(s.c, y, argmax, dy, dx);
  const int64_t down = ceil_div(s.h, s.pool_h);
  const Windows g{s.n * down, ceil_div(s.w, s.pool_w), wide ? s.c / 4 : s.c, down};
  launch("max_pool_relu_backward", wide ? backward<4, T> : backward<1, T>, grid_of(g), stream, s, g,
         y, argmax, dy, dx);
}
template void max_pool_relu_backward(const PoolShape&, const float*, const uint8_t*, const float*,
                                     float*, Stream);
template void max_pool_relu_backward(const PoolShape&, const Bf16*, const uint8_t*, const Bf16*,
                                     Bf16*, Stream);

}  // namespace earshot::cuda
