#include "kernels/cells.h"
#include "kernels/launch.cuh"

namespace earshot::cuda {
namespace {

constexpr unsigned kThreads = 256, kBlocksPerRun = 16;

/// Blocks with the same y take one run after the other, those with the same x a share of each,
/// in packs of V channels.
template <int V, typename T>
__global__ void __launch_bounds__(kThreads)
    copy_runs(CellRuns runs, uint32_t packs, const T* from, T* to) {
  using Values = Pack<T, V>;
  const auto* x = reinterpret_cast<const Values*>(from);
  auto* y = reinterpret_cast<Values*>(to);
  for (int64_t r = blockIdx.y; r < runs.count; r += gridDim.y) {
    const CellRun run = runs.first[r];
    const uint32_t count = static_cast<uint32_t>(run.count) * packs;
    for (uint32_t i = blockIdx.x * kThreads + threadIdx.x; i < count; i += gridDim.x * kThreads) {
      const int64_t cell = i / packs, pack = i % packs;
      const Values* window = x + (run.from + cell * runs.pool) * packs + pack;
      Values largest = *window;
      for (int64_t j = 1; j < runs.pool; ++j) {
        const Values now = window[j * packs];
#pragma unroll
        for (int v = 0; v < V; ++v)
          if (to_float(now.v[v]) > to_float(largest.v[v])) largest.v[v] = now.v[v];
      }
      y[(run.to + cell) * packs + pack] = largest;
    }
  }
}

}  // namespace

template <typename T>
void copy_cells(const CellRuns& runs, int64_t c, const T* from, T* to, Stream stream) {
  const Grid grid{{kBlocksPerRun, blocks_y(runs.count)}, kThreads};
  const bool fours = packs_of_four(c, from, to);
  launch("copy_cells", fours ? copy_runs<4, T> : copy_runs<1, T>, grid, stream, runs,
         static_cast<uint32_t>(fours ? c / 4 : c), from, to);
}
template void copy_cells(const CellRuns&, int64_t, const float*, float*, Stream);
template void copy_cells(const CellRuns&, int64_t, const Bf16*, Bf16*, Stream);

}  // namespace earshot::cuda
