#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#pragma GCC target("arch=x86-64-v4")
#include "kernels/lanes_avx512.h"
#include "kernels/mono_conv_bodies.h"

namespace earshot {

const MonoKernels& mono_avx512(bool line) { return line ? kLine<Avx512> : kSquare<Avx512>; }

}  // namespace earshot
