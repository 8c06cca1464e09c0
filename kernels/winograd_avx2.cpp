#include "kernels/winograd_bodies.h"

namespace earshot {

const WinogradKernels& winograd_avx2(int64_t taps, int64_t tile) {
  if (tile == 6) return kForwardKernels<Avx2, CookToom<4, 6>>;
  return taps == 4 ? kWinogradKernels<Avx2, CookToom<4>> : kWinogradKernels<Avx2, CookToom<3>>;
}

}  // namespace earshot
