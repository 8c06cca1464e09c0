// The two instruction sets that the CPU's hot loops are compiled for (lanes.h).
#pragma once

namespace earshot {

enum class Simd { kAvx2, kAvx512 };

/// The widest of this processor.
Simd best_simd();

}  // namespace earshot
