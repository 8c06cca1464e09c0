// Resizes columns [native, 128] of each example linearly in time and transposes them to [128, w]:
// a block makes 32 columns of the output, transposed through shared memory, so that both sides
// are read and written in runs.
#pragma once

#include "kernels/launch.cuh"

namespace earshot::cuda {

constexpr int kMelBands = 128, kColumnWarps = 8;

struct ResizeShape {
  int64_t n, native, w;
  double ratio;  // native / w
};

using ResizeTile = float[kWarp][kMelBands + 1];  // one more: no two lanes of a column in one bank

/// Not within the template: a section for a template's static variable is ignored by GCC, and the
/// emulator knows shared memory by its section.
static __device__ inline ResizeTile& resize_tile() {
  static __shared__ ResizeTile tile;
  return tile;
}

/// Of a column, those bands that one lane moves: lane, lane + 32, ...
constexpr int kBandsOfLane = kMelBands / kWarp;
struct LaneBands {
  float v[kBandsOfLane] = {};
};

/// columns(example, column, lane) -> the values before the resize.
/// Four blocks a multiprocessor leave 64 registers a thread: unasked, ptxas spills for a fifth.
template <typename Columns>
__global__ void __launch_bounds__(kWarp* kColumnWarps, 4)
    resize_and_transpose(ResizeShape s, Columns columns, float* out) {
  ResizeTile& tile = resize_tile();
  const int64_t first = int64_t{blockIdx.x} * kWarp;
  for (int64_t i = blockIdx.y; i < s.n; i += gridDim.y) {
    for (int x = threadIdx.y; x < kWarp && first + x < s.w; x += kColumnWarps) {
      double at = (static_cast<double>(first + x) + 0.5) * s.ratio - 0.5;
      at = at < 0 ? 0 : at;
      at = at > static_cast<double>(s.native - 1) ? static_cast<double>(s.native - 1) : at;
      const int64_t left = static_cast<int64_t>(at);
      const int64_t right = left + 1 < s.native ? left + 1 : left;
      const float t = static_cast<float>(at - static_cast<double>(left));
      const int lane = threadIdx.x;
      const LaneBands a = columns(i, left, lane), b = columns(i, right, lane);
#pragma unroll
      for (int k = 0; k < kBandsOfLane; ++k)
        tile[x][lane + k * kWarp] = a.v[k] + t * (b.v[k] - a.v[k]);
    }
    __syncthreads();
    const int x = threadIdx.x;
    if (first + x < s.w)
      for (int band = threadIdx.y; band < kMelBands; band += kColumnWarps)
        out[(i * kMelBands + band) * s.w + first + x] = tile[x][band];
    __syncthreads();
  }
}

template <typename Columns>
void launch_resize(const char* name, int64_t n, int64_t native, int64_t w, float* out,
                   Stream stream, const Columns& columns) {
  launch(name, resize_and_transpose<Columns>,
         {{blocks_x(ceil_div(w, kWarp)), blocks_y(n)}, {kWarp, kColumnWarps}}, stream,
         ResizeShape{n, native, w, static_cast<double>(native) / static_cast<double>(w)}, columns,
         out);
}

}  // namespace earshot::cuda
