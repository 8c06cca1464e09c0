// Tensor-core instructions of sm_80 and up, one function each, and the conversions of their
// factors. All lanes of a warp call together; of the matrices each lane holds the cells that PTX
// says, with row = lane / 4 and place = lane % 4:
//   a [16, 8 words]  words (row, place), (row + 8, place), (row, place + 4), (row + 8, place + 4)
//   b [8 words, 8]   words (place, row), (place + 4, row)
//   sum [16, 8]      (row, 2 place), (row, 2 place + 1), (row + 8, ...), (row + 8, ...)
// A word is one tf32 or two neighbouring bf16 of the dimension that is summed over.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#ifndef __NVCC__
#include <emulated_mma.h>  // tests/emulator/cuda: plain loops
#else

namespace earshot::cuda {

/// sum += a b over 8 tf32. The 13 lowest bits of a word are ignored.
__device__ inline void mma_tf32(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// sum += a b over 16 bf16.
__device__ inline void mma_bf16(float (&sum)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four matrices of 8 rows of 8 cells of 2 bytes in shared memory, transposed: lane 8 i + r gives
/// the address of row r of matrix i, a multiple of 16; of matrix i each lane gets the cells (2
/// place, row) and (2 place + 1, row). Two of them make b.
__device__ inline void load_transposed(uint32_t (&to)[4], const void* row) {
  const auto from = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(from)
               : "memory");
}

/// To the nearest tf32, ties away from zero.
__device__ inline uint32_t to_tf32(float x) {
  uint32_t word;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
  return word;
}

/// To the nearest bf16, ties to even; `low` in the lower half.
__device__ inline uint32_t to_bf16_pair(float low, float high) {
  uint32_t word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}

}  // namespace earshot::cuda

#endif
