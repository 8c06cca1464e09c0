#include "kernels/simd.h"

namespace earshot {

Simd best_simd() {
  static const bool wide = __builtin_cpu_supports("avx512f") &&
                           __builtin_cpu_supports("avx512vl") &&
                           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  return wide ? Simd::kAvx512 : Simd::kAvx2;
}

}  // namespace earshot
