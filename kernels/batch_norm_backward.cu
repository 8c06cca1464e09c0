#include "kernels/batch_norm.h"
#include "kernels/columns.cuh"

namespace earshot::cuda {
namespace {

struct Channels {
  const float *gamma, *mean, *inverse_deviation;
};

struct LineSums {
  float sum[kLines][kWarp], product[kLines][kWarp];
};

/// Not within the template: see resize_tile in mel_resize.cuh.
static __device__ inline LineSums& line_sums() {
  static __shared__ LineSums of_line;
  return of_line;
}

template <typename X, typename Y>
__global__ void __launch_bounds__(kWarp* kLines)
    chunk_sums(RowChunks chunks, int64_t c, const X* x, const Y* dy, const float* means,
               float* sums, float* products) {
  auto& [sum_of, product_of] = line_sums();
  const int64_t k = blockIdx.y, i = channel();
  float sum = 0, product = 0;
  if (i < c) {
    const float mean = means[i];
    for (int64_t r = chunks.begin(k) + threadIdx.y; r < chunks.end(k); r += kLines) {
      const float g = to_float(dy[r * c + i]);
      sum += g;
      product += g * (to_float(x[r * c + i]) - mean);
    }
  }
  sum_of[threadIdx.y][threadIdx.x] = sum;
  product_of[threadIdx.y][threadIdx.x] = product;
  __syncthreads();
  if (threadIdx.y != 0 || i >= c) return;
  for (int line = 1; line < kLines; ++line) {
    sum += sum_of[line][threadIdx.x];
    product += product_of[line][threadIdx.x];
  }
  sums[k * c + i] = sum;
  products[k * c + i] = product;
}

/// dx = a dy + b (x - mean) + d, per channel
struct Coefficients {
  float *a, *b, *d;
};

__global__ void __launch_bounds__(kWarp* kLines)
    merge_sums(RowChunks chunks, int64_t c, Channels t, const float* sums, const float* products,
               float* dgamma, float* dbeta, Coefficients to) {
  static __shared__ double sum_of[kLines][kWarp], product_of[kLines][kWarp];
  const int64_t i = channel();
  double sum = 0, product = 0;
  if (i < c)
    for (int64_t k = threadIdx.y; k < chunks.count; k += kLines) {
      sum += static_cast<double>(sums[k * c + i]);
      product += static_cast<double>(products[k * c + i]);
    }
  sum_of[threadIdx.y][threadIdx.x] = sum;
  product_of[threadIdx.y][threadIdx.x] = product;
  __syncthreads();
  if (threadIdx.y != 0 || i >= c) return;
  for (int line = 1; line < kLines; ++line) {
    sum += sum_of[line][threadIdx.x];
    product += product_of[line][threadIdx.x];
  }
  const double inverse = static_cast<double>(t.inverse_deviation[i]);
  const double scale = static_cast<double>(t.gamma[i]) * inverse;
  const double rows = static_cast<double>(chunks.rows);
  dbeta[i] = static_cast<float>(sum);
  dgamma[i] = static_cast<float>(product * inverse);
  to.a[i] = static_cast<float>(scale);
  to.b[i] = static_cast<float>(-scale * inverse * inverse * product / rows);
  to.d[i] = static_cast<float>(-scale * sum / rows);
}

template <typename X, typename Y>
struct InputGradient {
  int64_t c;
  const X* x;
  const Y* dy;
  const float* mean;
  Coefficients k;
  X* dx;
  __device__ void operator()(int64_t at) const {
    const int64_t i = column_of(at, c);
    dx[at] =
        from_float<X>(k.a[i] * to_float(dy[at]) + k.b[i] * (to_float(x[at]) - mean[i]) + k.d[i]);
  }
};

}  // namespace

template <typename X, typename Y>
void batch_norm_backward(const BatchNormShape& s, const X* x, const Y* dy, const float* gamma,
                         const float* mean, const float* inverse_deviation,
                         const BatchNormGradientsOf<X>& out, float* scratch, Stream stream) {
  const RowChunks chunks(s.rows);
  const int64_t c = s.c;
  float *sums = scratch, *products = sums + chunks.count * c;
  float* rest = products + chunks.count * c;
  const Coefficients k{rest, rest + c, rest + 2 * c};
  launch("batch_norm_backward: sums", chunk_sums<X, Y>, grid_of_chunks(chunks, c), stream, chunks,
         c, x, dy, mean, sums, products);
  launch("batch_norm_backward: merge", merge_sums, grid_of_channels(c), stream, chunks, c,
         Channels{gamma, mean, inverse_deviation}, sums, products, out.dgamma, out.dbeta, k);
  launch_for_each("batch_norm_backward", s.rows * c, stream,
                  InputGradient<X, Y>{c, x, dy, mean, k, out.dx});
}
template void batch_norm_backward(const BatchNormShape&, const float*, const float*, const float*,
                                  const float*, const float*, const BatchNormGradientsOf<float>&,
                                  float*, Stream);
template void batch_norm_backward(const BatchNormShape&, const Bf16*, const Bf16*, const float*,
                                  const float*, const float*, const BatchNormGradientsOf<Bf16>&,
                                  float*, Stream);
template void batch_norm_backward(const BatchNormShape&, const Bf16*, const float*, const float*,
                                  const float*, const float*, const BatchNormGradientsOf<Bf16>&,
                                  float*, Stream);

}  // namespace earshot::cuda
