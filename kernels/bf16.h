// bfloat16, the upper half of a float32: storage only, kernels compute in float32.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/host_device.h"
#include "kernels/stream.h"

namespace earshot {

struct Bf16 {
  uint16_t bits;
  bool operator==(const Bf16&) const = default;
};

EARSHOT_HOST_DEVICE inline float to_float(float x) { return x; }
EARSHOT_HOST_DEVICE inline float to_float(Bf16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}

/// Rounded to nearest, ties to even; every NaN becomes 0x7fff. The host's form and the device's
/// instruction give the same bits.
template <typename T>
EARSHOT_HOST_DEVICE T from_float(float x);
template <>
EARSHOT_HOST_DEVICE inline float from_float<float>(float x) {
  return x;
}
template <>
EARSHOT_HOST_DEVICE inline Bf16 from_float<Bf16>(float x) {
#ifdef __CUDA_ARCH__
  Bf16 narrow;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(narrow.bits) : "f"(x));
  return narrow;
#else
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {0x7fff};
  return {static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16)};
#endif
}

/// One cell.
template <typename From, typename To>
struct Convert {
  const From* from;
  To* to;
  EARSHOT_HOST_DEVICE void operator()(int64_t i) const {
    to[i] = from_float<To>(to_float(from[i]));
  }
};

/// to = from, rounded where `to` is narrower. [count]
void convert(int64_t count, const float* from, Bf16* to);
void convert(int64_t count, const Bf16* from, float* to);

// On a CUDA device: pointers are the device's.
namespace cuda {
void convert(int64_t count, const float* from, Bf16* to, Stream stream);
void convert(int64_t count, const Bf16* from, float* to, Stream stream);
}  // namespace cuda

}  // namespace earshot
