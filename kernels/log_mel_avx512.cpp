#include <immintrin.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#pragma GCC target("arch=x86-64-v4")
#include "kernels/lanes_avx512.h"
#include "kernels/log_mel_bodies.h"

namespace earshot {

const LogMelKernels& log_mel_avx512() { return kLogMelKernels<Avx512>; }

}  // namespace earshot
