#include "kernels/line_conv_bodies.h"

namespace earshot {

const LineKernels& line_avx2(int64_t tile) {
  return tile == 8 ? kLineKernels<Avx2, CookToom<6, 8>> : kLineKernels<Avx2, CookToom<4>>;
}

}  // namespace earshot
