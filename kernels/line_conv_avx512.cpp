#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#pragma GCC target("arch=x86-64-v4")
#include "kernels/lanes_avx512.h"
#include "kernels/line_conv_bodies.h"

namespace earshot {

const LineKernels& line_avx512(int64_t tile) {
  return tile == 8 ? kLineKernels<Avx512, CookToom<6, 8>> : kLineKernels<Avx512, CookToom<4>>;
}

}  // namespace earshot
