#include "kernels/cells.h"

#include <cstring>

namespace earshot {

void copy_cells(const CellRuns& runs, int64_t c, const float* from, float* to) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < runs.count; ++r) {
    const CellRun& run = runs.first[r];
    const float* x = from + run.from * c;
    float* y = to + run.to * c;
    if (runs.pool == 1) {
      std::memcpy(y, x, static_cast<size_t>(run.count * c) * sizeof(float));
      continue;
    }
    for (int64_t i = 0; i < run.count; ++i, y += c) {
      std::memcpy(y, x, static_cast<size_t>(c) * sizeof(float));
      x += c;
      for (int64_t j = 1; j < runs.pool; ++j, x += c) {
#pragma omp simd
        for (int64_t k = 0; k < c; ++k) y[k] = x[k] > y[k] ? x[k] : y[k];
      }
    }
  }
}

}  // namespace earshot
