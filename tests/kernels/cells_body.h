// Copied cells against their definition, cell by cell; the same for the CPU and the emulator.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernels/cells.h"
#include "tests/reference/values.h"

namespace earshot::cells_body {

struct CellsCase {
  int64_t pool, c;
  std::vector<CellRun> runs;
  friend std::ostream& operator<<(std::ostream& out, const CellsCase& x) {
    return out << x.runs.size() << " runs of " << x.c << " channels, pool " << x.pool;
  }
};

constexpr int64_t kFrom = 700, kTo = 500;  // cells

inline std::vector<CellRun> many_runs() {
  std::vector<CellRun> runs;
  for (int32_t i = 0; i < 120; ++i) runs.push_back({(i * 77) % 120 * 4, i * 5, i % 4});
  return runs;
}

inline std::vector<CellsCase> cases() {
  return {{1, 1, {{0, 0, 1}}},
          {1, 3, {{5, 690, 10}, {0, 1, 5}, {499, 3, 1}}},
          {1, 64, {{0, 100, 500}}},  // more packs than threads
          {2, 4, {{17, 3, 40}, {0, 0, 17}}},
          {16, 5, {{3, 7, 43}, {490, 0, 1}}},
          {16, 128, {{0, 4, 21}, {21, 340, 21}}},
          {3, 32, many_runs()},
          {1, 12, {{2, 2, 0}}}};
}

/// What `to` must hold where it held `before`.
inline std::vector<float> defined(const CellsCase& t, const std::vector<float>& from,
                                  std::vector<float> before) {
  for (const CellRun& run : t.runs)
    for (int64_t i = 0; i < run.count; ++i)
      for (int64_t k = 0; k < t.c; ++k) {
        const float* x = &from[(run.from + i * t.pool) * t.c + k];
        float largest = *x;
        for (int64_t j = 1; j < t.pool; ++j) largest = std::max(largest, x[j * t.c]);
        before[(run.to + i) * t.c + k] = largest;
      }
  return before;
}

}  // namespace earshot::cells_body
