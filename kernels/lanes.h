// Vectors of floats for the hot loops: a body is a template over Avx2 or Avx512 (lanes_avx512.h).
#pragma once

#include <immintrin.h>

#include <cstdint>

#define EARSHOT_INLINE [[gnu::always_inline]] inline

namespace earshot {

struct Avx2 {
  using Lanes = float __attribute__((vector_size(32)));
  using Ints = int32_t __attribute__((vector_size(32)));
  static constexpr int64_t kLane = 8;
  static constexpr int kRows = 6;        // of a matrix product's micro-tile, 2 kLane wide:
  static constexpr int kWeightRows = 4;  // as many sums as leave registers for the operands
  static constexpr int kRun = 12;        // sums of one vector each

  EARSHOT_INLINE static Lanes all(float x) { return _mm256_set1_ps(x); }
  EARSHOT_INLINE static Lanes load(const float* from) { return _mm256_loadu_ps(from); }
  EARSHOT_INLINE static void store(float* to, Lanes x) { _mm256_storeu_ps(to, x); }
  /// a b + c, rounded once.
  EARSHOT_INLINE static Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
    return _mm256_fmadd_ps(a, b, c);
  }
  /// Where y > 0: value, else 0.
  EARSHOT_INLINE static Lanes where_positive(const float* y, const float* value) {
    const __m256 mask = _mm256_cmp_ps(_mm256_loadu_ps(y), _mm256_setzero_ps(), _CMP_GT_OQ);
    return _mm256_and_ps(mask, _mm256_loadu_ps(value));
  }
  /// Where cell == number: value, else 0.
  EARSHOT_INLINE static Lanes where_equal(const uint8_t* cell, int32_t number, Lanes value) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(cell));
    const __m256i mask = _mm256_cmpeq_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(number));
    return _mm256_and_ps(_mm256_castsi256_ps(mask), value);
  }
  /// Past the caches; _mm_sfence before another thread reads.
  EARSHOT_INLINE static void stream(float* to, Lanes x) { _mm256_stream_ps(to, x); }
  EARSHOT_INLINE static void store_bytes(uint8_t* to, Ints x) {
    for (int i = 0; i < 8; ++i) to[i] = static_cast<uint8_t>(x[i]);
  }
};

/// Calls f<0>() ... f<kCount - 1>().
template <int kCount, int kFirst = 0, class F>
EARSHOT_INLINE void unrolled(const F& f) {
  if constexpr (kFirst < kCount) {
    f.template operator()<kFirst>();
    unrolled<kCount, kFirst + 1>(f);
  }
}

}  // namespace earshot
