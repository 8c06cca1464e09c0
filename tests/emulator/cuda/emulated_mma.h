// The tensor-core instructions of kernels/mma.cuh as plain loops: factors of the same precision,
// sums in double, rounded once.
#pragma once

#include <cuda_runtime.h>

namespace earshot::cuda {

namespace emulated {

inline float from_bits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline uint32_t to_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

/// What a lane hands in.
struct Fragments {
  uint32_t a[4], b[2];
};

/// `product(a, b)` of two words.
template <typename Product>
void mma(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Product& product,
         const emulator::Where& where) {
  const Fragments mine{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  Fragments all[32];
  emulator::gather(&mine, sizeof mine, all, where);
  const unsigned row = emulator::lane() / 4, place = emulator::lane() % 4;
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned column = 2 * place + i % 2;
    double exact = sum[i];
    for (unsigned k = 0; k < 8; ++k)
      exact += product(all[4 * row + k % 4].a[i / 2 + k / 4 * 2], all[4 * column + k % 4].b[k / 4]);
    sum[i] = static_cast<float>(exact);
  }
}

inline uint32_t to_bf16(float x) {
  const uint32_t bits = to_bits(x);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

}  // namespace emulated

inline void mma_tf32(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     const emulator::Where& where = emulator::Where::current()) {
  const auto product = [](uint32_t x, uint32_t y) {
    return double{emulated::from_bits(x & ~0x1fffu)} * emulated::from_bits(y & ~0x1fffu);
  };
  emulated::mma(sum, a, b, product, where);
}

inline void mma_bf16(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     const emulator::Where& where = emulator::Where::current()) {
  const auto product = [](uint32_t x, uint32_t y) {
    return double{emulated::from_bits(x << 16)} * emulated::from_bits(y << 16) +
           double{emulated::from_bits(x & ~0xffffu)} * emulated::from_bits(y & ~0xffffu);
  };
  emulated::mma(sum, a, b, product, where);
}

inline void load_transposed(uint32_t (&to)[4], const void* row,
                            const emulator::Where& where = emulator::Where::current()) {
  const uint16_t* rows[32];
  emulator::gather(&row, sizeof row, rows, where);
  const unsigned column = emulator::lane() / 4, cell = emulator::lane() % 4 * 2;
  for (unsigned i = 0; i < 4; ++i)
    to[i] = rows[8 * i + cell][column] | uint32_t{rows[8 * i + cell + 1][column]} << 16;
}

// Finite numbers.
inline uint32_t to_tf32(float x) { return (emulated::to_bits(x) + 0x1000) & ~0x1fffu; }
inline uint32_t to_bf16_pair(float low, float high) {
  return emulated::to_bf16(low) | emulated::to_bf16(high) << 16;
}

}  // namespace earshot::cuda
