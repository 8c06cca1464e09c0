#include "kernels/winograd_bodies.h"

namespace earshot {

const WinogradKernels& winograd_avx2(int64_t taps) {
  return taps == 4 ? kWinogradKernels<Avx2, CookToom<4>> : kWinogradKernels<Avx2, CookToom<3>>;
}

}  // namespace earshot
