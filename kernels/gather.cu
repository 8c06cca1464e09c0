#include "kernels/gather.h"
#include "kernels/mel_resize.cuh"

namespace earshot::cuda {
namespace {

constexpr int kThreads = 256;

struct SampleGrid {
  __device__ int64_t at(int64_t position) const { return position; }
};

/// What a search of a placement's copies works on; cells: those of the grid, samples or columns.
template <typename Grid>
struct Copies {
  const int64_t* positions;
  int32_t count;
  Grid grid;
  int64_t length, roll;  // of the clip, in cells
};

/// The clip's cell at cell t of the window; -1 where no copy covers it.
template <typename Grid>
__device__ inline int64_t cell_at(const Copies<Grid>& copies, int64_t t) {
  int32_t low = 0, high = copies.count;  // of the copies that start at or before t
  while (low < high) {
    const int32_t middle = (low + high) / 2;
    if (copies.grid.at(copies.positions[middle]) <= t)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == 0) return -1;
  const int64_t u = t - copies.grid.at(copies.positions[low - 1]);
  if (u >= copies.length) return -1;
  return u < copies.roll ? u - copies.roll + copies.length : u - copies.roll;
}

__global__ void __launch_bounds__(kThreads)
    assemble_wave(GatherPlanView plan, WaveSource source, int64_t window, float* out) {
  const int64_t t = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (t >= window) return;
  for (int64_t i = blockIdx.y; i < plan.examples; i += gridDim.y) {
    float sum = 0;
    for (int32_t k = plan.first_placement[i]; k < plan.first_placement[i + 1]; ++k) {
      const Placement& p = plan.placements[k];
      const int64_t cell = cell_at(
          Copies<SampleGrid>{
              plan.positions + p.first_copy, p.copies, {}, source.length[p.clip], p.roll},
          t);
      if (cell >= 0)
        sum += p.weight * p.gain / 32768.0f *
               static_cast<float>(source.samples[source.offset[p.clip] + cell]);
    }
    out[i * window + t] = sum;
  }
}

/// Column `column` of example `i`, before the resize.
struct PlacedColumns {
  GatherPlanView plan;
  MelSource source;
  __device__ LaneBands operator()(int64_t i, int64_t column, int lane) const {
    LaneBands sum;
    for (int32_t k = plan.first_placement[i]; k < plan.first_placement[i + 1]; ++k) {
      const Placement& p = plan.placements[k];
      const int64_t frames = source.frames[p.clip];
      const int64_t roll =
          frames > 0 ? static_cast<uint32_t>(source.grid.at(p.roll)) % static_cast<uint32_t>(frames)
                     : 0;
      const int64_t cell = cell_at(
          Copies<ColumnGrid>{plan.positions + p.first_copy, p.copies, source.grid, frames, roll},
          column);
      if (cell < 0 && !source.pad_with_floor) continue;
      const float* values = cell < 0
                                ? source.floor + p.clip
                                : source.columns + source.offset[p.clip] + cell * kMelBands + lane;
      const int stride = cell < 0 ? 0 : kWarp;
#pragma unroll
      for (int band = 0; band < kBandsOfLane; ++band)
        sum.v[band] += p.weight * (values[band * stride] + p.gain_db);
    }
    return sum;
  }
};

}  // namespace

void gather_wave(const GatherPlanView& plan, const WaveSource& source, int64_t t, float* out,
                 Stream stream) {
  launch("gather_wave", assemble_wave,
         {{blocks_x(ceil_div(t, kThreads)), blocks_y(plan.examples)}, kThreads}, stream, plan,
         source, t, out);
}

void gather_mel(const GatherPlanView& plan, const MelSource& source, int64_t w, float* out,
                Stream stream) {
  launch_resize("gather_mel", plan.examples, source.native_columns, w, out, stream,
                PlacedColumns{plan, source});
}

}  // namespace earshot::cuda
