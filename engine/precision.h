// How convolutions and dense layers multiply. Sums, weights and statistics are float32 in all.
#pragma once

namespace earshot {

enum class Precision {
  kF32,
  kTf32,  // factors rounded to 10 bits of mantissa
  kBf16,  // convolution blocks: activations and their gradients stored as bf16, which also rounds
          // the factors and the weights' gradients to 7 bits; dense layers as kTf32
};

inline const char* to_string(Precision precision) {
  switch (precision) {
    case Precision::kTf32:
      return "tf32";
    case Precision::kBf16:
      return "bf16";
    default:
      return "fp32";
  }
}

struct Numerics {
  Precision precision = Precision::kF32;
  bool deterministic = true;  // only algorithms that give the same bits in every run
};

}  // namespace earshot
