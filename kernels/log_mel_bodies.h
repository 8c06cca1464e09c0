#pragma once

#include "kernels/frame_fft_bodies.h"
#include "kernels/log_mel_kernels.h"

namespace earshot {

template <class Isa>
EARSHOT_INLINE typename Isa::Lanes greater(typename Isa::Lanes a, typename Isa::Lanes b) {
  return a > b ? a : b;
}

/// m in [sqrt 1/2, sqrt 2), s = (m - 1) / (m + 1), 1/2 ln m = s + s^3 / 3 + s^5 / 5 + ...; |s| <
/// 0.172 leaves 2e-9 of it after s^9.
template <class Isa>
EARSHOT_INLINE typename Isa::Lanes decibels(typename Isa::Lanes x, const Decibels& scale) {
  using Lanes = typename Isa::Lanes;
  using Ints = typename Isa::Ints;
  constexpr int32_t kRootHalf = 0x3f3504f3, kMantissa = 23;
  const Lanes held = greater<Isa>(x, Isa::all(scale.minimum));
  const Ints bits = reinterpret_cast<Ints>(held);
  const Ints exponent = (bits - kRootHalf) >> kMantissa;
  const Lanes m = reinterpret_cast<Lanes>(bits - (exponent << kMantissa));
  const Lanes s = (m - 1.0f) / (m + 1.0f);
  const Lanes square = s * s;
  Lanes sum = Isa::multiply_add(square, Isa::all(1.0f / 9), Isa::all(1.0f / 7));
  sum = Isa::multiply_add(sum, square, Isa::all(1.0f / 5));
  sum = Isa::multiply_add(sum, square, Isa::all(1.0f / 3));
  sum = Isa::multiply_add(sum * square, s, s);
  const Lanes db = Isa::multiply_add(__builtin_convertvector(exponent, Lanes),
                                     Isa::all(scale.octave), sum * scale.half_neper);
  const Lanes lowest = Isa::all(scale.lowest);
  return x > scale.minimum ? greater<Isa>(db, lowest) : lowest;
}

template <class Isa>
void mel_bands(const MelBank& bank, const Decibels& scale, const float* power, float* db,
               float* loudest) {
  using Lanes = typename Isa::Lanes;
  Lanes most = Isa::all(scale.lowest);
  for (const MelTriangle& triangle : bank.triangles) {
    const float* weight = &bank.weights[triangle.offset];
    const float* bin = power + triangle.first * Isa::kLane;
    Lanes sum = {};
    for (int64_t k = 0; k < triangle.count; ++k)
      sum = Isa::multiply_add(Isa::all(weight[k]), Isa::load(bin + k * Isa::kLane), sum);
    const Lanes value = decibels<Isa>(sum, scale);
    Isa::store(db, value);
    most = greater<Isa>(most, value);
    db += Isa::kLane;
  }
  Isa::store(loudest, most);
}

template <class Isa>
constexpr LogMelKernels kLogMelKernels = {Isa::kLane, frame_powers<Isa>, mel_bands<Isa>};

}  // namespace earshot
