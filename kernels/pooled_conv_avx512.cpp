#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#pragma GCC target("arch=x86-64-v4")
#include "kernels/lanes_avx512.h"
#include "kernels/pooled_conv_bodies.h"

namespace earshot {

const RunKernels& runs_avx512() { return kRunKernels<Avx512>; }

}  // namespace earshot
