#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#pragma GCC target("arch=x86-64-v4")
#include "kernels/lanes_avx512.h"
#include "kernels/winograd_bodies.h"

namespace earshot {

const WinogradKernels& winograd_avx512(int64_t taps, int64_t tile) {
  if (tile == 6) return kForwardKernels<Avx512, CookToom<4, 6>>;
  return taps == 4 ? kWinogradKernels<Avx512, CookToom<4>> : kWinogradKernels<Avx512, CookToom<3>>;
}

}  // namespace earshot
