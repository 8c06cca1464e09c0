#include "kernels/columns.cuh"
#include "kernels/reduce.h"

namespace earshot::cuda {
namespace {

using LineSums = float[kLines][kWarp];

/// Not within the template: see resize_tile in mel_resize.cuh.
static __device__ inline LineSums& line_sums() {
  static __shared__ LineSums of_line;
  return of_line;
}

template <typename T>
__global__ void __launch_bounds__(kWarp* kLines)
    chunk_sums(RowChunks chunks, int64_t c, const T* x, float* sums) {
  LineSums& of_line = line_sums();
  const int64_t k = blockIdx.y, i = channel();
  float sum = 0;
  if (i < c)
    for (int64_t r = chunks.begin(k) + threadIdx.y; r < chunks.end(k); r += kLines)
      sum += to_float(x[r * c + i]);
  of_line[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || i >= c) return;
  for (int line = 1; line < kLines; ++line) sum += of_line[line][threadIdx.x];
  sums[k * c + i] = sum;
}

struct MergeSums {
  int64_t chunks, c;
  const float* sums;
  float* out;
  __device__ void operator()(int64_t i) const {
    double sum = 0;
    for (int64_t k = 0; k < chunks; ++k) sum += static_cast<double>(sums[k * c + i]);
    out[i] = static_cast<float>(sum);
  }
};

}  // namespace

int64_t column_sums_scratch(int64_t rows, int64_t c) { return RowChunks(rows).count * c; }

template <typename T>
void column_sums(int64_t rows, int64_t c, const T* x, float* scratch, float* out, Stream stream) {
  const RowChunks chunks(rows);
  launch("column_sums", chunk_sums<T>, grid_of_chunks(chunks, c), stream, chunks, c, x, scratch);
  launch_for_each("column_sums: merge", c, stream, MergeSums{chunks.count, c, scratch, out});
}
template void column_sums(int64_t, int64_t, const float*, float*, float*, Stream);
template void column_sums(int64_t, int64_t, const Bf16*, float*, float*, Stream);

}  // namespace earshot::cuda
