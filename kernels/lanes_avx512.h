// For files that say `#pragma GCC target("arch=x86-64-v4")` behind the standard headers and in
// front of this one, and to their end: what they define runs only where best_simd() says so.
#pragma once

#include "kernels/lanes.h"

namespace earshot {

struct Avx512 {
  using Lanes = float __attribute__((vector_size(64)));
  using Ints = int32_t __attribute__((vector_size(64)));
  static constexpr int64_t kLane = 16;
  static constexpr int kRows = 12;
  static constexpr int kWeightRows = 8;
  static constexpr int kRun = 24;

  EARSHOT_INLINE static Lanes all(float x) { return _mm512_set1_ps(x); }
  EARSHOT_INLINE static Lanes load(const float* from) { return _mm512_loadu_ps(from); }
  EARSHOT_INLINE static void store(float* to, Lanes x) { _mm512_storeu_ps(to, x); }
  EARSHOT_INLINE static Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
    return _mm512_fmadd_ps(a, b, c);
  }
  EARSHOT_INLINE static Lanes where_positive(const float* y, const float* value) {
    const __mmask16 mask = _mm512_cmp_ps_mask(_mm512_loadu_ps(y), _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_maskz_loadu_ps(mask, value);
  }
  EARSHOT_INLINE static Lanes where_equal(const uint8_t* cell, int32_t number, Lanes value) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(cell));
    const __mmask16 mask =
        _mm512_cmpeq_epi32_mask(_mm512_cvtepu8_epi32(bytes), _mm512_set1_epi32(number));
    return _mm512_maskz_mov_ps(mask, value);
  }
  /// Past the caches; _mm_sfence before another thread reads.
  EARSHOT_INLINE static void stream(float* to, Lanes x) { _mm512_stream_ps(to, x); }
  EARSHOT_INLINE static void store_bytes(uint8_t* to, Ints x) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(__m512i(x)));
  }
};

}  // namespace earshot
