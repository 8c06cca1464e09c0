// Inner loops of pooled_conv.cpp, once for each instruction set: one row of the kernel for many
// winners of one output channel.
#pragma once

#include <cstdint>

namespace earshot {

struct Runs {
  const int64_t* offsets;  // of each winner's run in x and dx, floats
  const float* gradients;
  int64_t count, length;  // winners; floats of a run
};

struct RunKernels {
  void (*sum)(const Runs& r, const float* x, float* dweight);     // dweight += sum g x[offset ...]
  void (*spread)(const Runs& r, const float* weight, float* dx);  // dx[offset ...] += g weight
};

const RunKernels& runs_avx2();
const RunKernels& runs_avx512();  // only where best_simd() allows

}  // namespace earshot
