// What mono_conv.cpp asks of each instruction set: runs of cells of one row. `x` holds the
// receptive fields of the run, kernel_h rows `stride` floats apart, padding included.
#pragma once

#include <cstdint>

namespace earshot {

struct MonoForward {
  const float* x;
  int64_t stride, cells, c_out;
  const float* weight;  // [taps, c_out]
  const float* bias;    // [c_out]
  float* y;             // [cells, c_out]
};
struct MonoGradient {
  const float* x;
  int64_t stride, cells, c_out;
  const float* y;   // [cells, c_out]
  const float* dy;  // as y
  float* sums;      // += [taps + 1, c_out]: of each tap, and of the bias
};

struct MonoKernels {
  void (*forward)(const MonoForward& t);       // past the caches
  void (*forward_near)(const MonoForward& t);  // for a y that is used at once
  void (*weight_gradient)(const MonoGradient& t);
};

// Kernels of 4x4 or, as a line, of 1x11.
const MonoKernels& mono_avx2(bool line);
const MonoKernels& mono_avx512(bool line);  // only where best_simd() allows

}  // namespace earshot
