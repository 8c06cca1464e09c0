// How convolutions and dense layers multiply. Sums, weights and statistics are float32 in all.
#pragma once

namespace earshot {

enum class Precision {
  kF32,
  kTf32,  // factors rounded to 10 bits of mantissa
  kBf16,  // factors rounded to 7 bits of mantissa
};

}  // namespace earshot
