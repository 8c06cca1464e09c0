#include "kernels/batch_norm.h"
#include "kernels/columns.cuh"

namespace earshot::cuda {
namespace {

constexpr int kHeld = 8;  // values of a channel that a thread holds in registers

template <typename T>
struct Moments {
  T count, mean, m2;  // m2: sum of squared deviations
};

/// Chan, Golub & LeVeque.
template <typename T>
__device__ inline Moments<T> merged(const Moments<T>& a, const Moments<T>& b) {
  const T total = a.count + b.count;
  if (!(total > 0)) return a;
  const T delta = b.mean - a.mean, share = b.count / total;
  return {total, a.mean + delta * share, a.m2 + b.m2 + delta * delta * a.count * share};
}

/// Moments of up to kHeld rows r, r + kLines, ... below `end`: two passes over registers.
template <typename T>
__device__ inline Moments<float> held_moments(const T* x, int64_t c, int64_t r, int64_t end) {
  float v[kHeld], count = 0, sum = 0, m2 = 0;
#pragma unroll
  for (int k = 0; k < kHeld; ++k) {
    const bool there = r + k * kLines < end;
    v[k] = there ? to_float(x[(r + k * kLines) * c]) : 0.0f;
    count += there ? 1.0f : 0.0f;
    sum += v[k];
  }
  const float mean = sum / count;
#pragma unroll
  for (int k = 0; k < kHeld; ++k) {
    const float d = r + k * kLines < end ? v[k] - mean : 0.0f;
    m2 += d * d;
  }
  return {count, mean, m2};
}

using LineMoments = Moments<float>[kLines][kWarp];

/// Not within the template: see resize_tile in mel_resize.cuh.
static __device__ inline LineMoments& line_moments() {
  static __shared__ LineMoments of_line;
  return of_line;
}

template <typename T>
__global__ void __launch_bounds__(kWarp* kLines)
    chunk_moments(RowChunks chunks, int64_t c, const T* x, float* means, float* m2s) {
  LineMoments& of_line = line_moments();
  const int64_t k = blockIdx.y, i = channel();
  Moments<float> m = {};
  if (i < c)
    for (int64_t r = chunks.begin(k) + threadIdx.y; r < chunks.end(k); r += kLines * kHeld)
      m = merged(m, held_moments(x + i, c, r, chunks.end(k)));
  of_line[threadIdx.y][threadIdx.x] = m;
  __syncthreads();
  if (threadIdx.y != 0 || i >= c) return;
  for (int line = 1; line < kLines; ++line) m = merged(m, of_line[line][threadIdx.x]);
  means[k * c + i] = m.mean;
  m2s[k * c + i] = m.m2;
}

struct TrainChannel {
  const float *gamma, *beta;
  float momentum, epsilon;
  BatchNormMoments out;
  float *scale, *shift;
  __device__ void operator()(int64_t i, int64_t count, double mean, double m2) const {
    const double rows = static_cast<double>(count);
    const double inverse = 1.0 / sqrt(m2 / rows + static_cast<double>(epsilon));
    out.mean[i] = static_cast<float>(mean);
    out.inverse_deviation[i] = static_cast<float>(inverse);
    if (out.moving_mean) {
      const float fresh = 1 - momentum;
      const double unbiased = m2 / (rows > 2 ? rows - 1 : 1.0);
      out.moving_mean[i] = momentum * out.moving_mean[i] + fresh * static_cast<float>(mean);
      out.moving_variance[i] =
          momentum * out.moving_variance[i] + fresh * static_cast<float>(unbiased);
    }
    const double k = static_cast<double>(gamma[i]) * inverse;
    scale[i] = static_cast<float>(k);
    shift[i] = static_cast<float>(static_cast<double>(beta[i]) - k * mean);
  }
};

__global__ void __launch_bounds__(kWarp* kLines)
    merge_moments(RowChunks chunks, int64_t c, const float* means, const float* m2s,
                  TrainChannel finish) {
  static __shared__ Moments<double> of_line[kLines][kWarp];
  const int64_t i = channel();
  Moments<double> m = {};
  if (i < c)
    for (int64_t k = threadIdx.y; k < chunks.count; k += kLines)
      m = merged(m, {static_cast<double>(chunks.end(k) - chunks.begin(k)),
                     static_cast<double>(means[k * c + i]), static_cast<double>(m2s[k * c + i])});
  of_line[threadIdx.y][threadIdx.x] = m;
  __syncthreads();
  if (threadIdx.y != 0 || i >= c) return;
  for (int line = 1; line < kLines; ++line) m = merged(m, of_line[line][threadIdx.x]);
  finish(i, chunks.rows, m.mean, m.m2);
}

/// y = scale x + shift per channel, V channels at once.
template <int V, typename X, typename Y>
struct Affine {
  int64_t groups;  // c / V
  const X* x;
  const float *scale, *shift;
  Y* y;
  __device__ void operator()(int64_t i) const {
    using Floats = Pack<float, V>;
    const int64_t g = column_of(i, groups);
    const Floats k = reinterpret_cast<const Floats*>(scale)[g];
    const Floats b = reinterpret_cast<const Floats*>(shift)[g];
    const Pack<X, V> v = reinterpret_cast<const Pack<X, V>*>(x)[i];
    Pack<Y, V> out;
#pragma unroll
    for (int j = 0; j < V; ++j) out.v[j] = from_float<Y>(to_float(v.v[j]) * k.v[j] + b.v[j]);
    reinterpret_cast<Pack<Y, V>*>(y)[i] = out;
  }
};

template <typename X, typename Y>
struct Inference {
  int64_t c;
  const X* x;
  const float *gamma, *beta, *mean, *variance;
  float epsilon;
  Y* y;
  __device__ void operator()(int64_t i) const {
    const int64_t k = column_of(i, c);
    y[i] = from_float<Y>((to_float(x[i]) - mean[k]) * (gamma[k] / sqrtf(variance[k] + epsilon)) +
                         beta[k]);
  }
};

}  // namespace

int64_t batch_norm_scratch(const BatchNormShape& s) {
  return (2 * RowChunks(s.rows).count + 4) * ceil_div(s.c, 4) * 4;
}

template <typename X, typename Y>
void batch_norm_train(const BatchNormShape& s, const X* x, const float* gamma, const float* beta,
                      float momentum, float epsilon, const BatchNormMoments& moments, Y* y,
                      float* scratch, Stream stream) {
  const RowChunks chunks(s.rows);
  const int64_t c = s.c, line = ceil_div(c, 4) * 4;  // scale and shift on multiples of 16 bytes
  float *scale = scratch, *shift = scratch + line, *means = scratch + 2 * line;
  float* m2s = means + chunks.count * c;
  launch("batch_norm_train: moments", chunk_moments<X>, grid_of_chunks(chunks, c), stream, chunks,
         c, x, means, m2s);
  launch("batch_norm_train: merge", merge_moments, grid_of_channels(c), stream, chunks, c, means,
         m2s, TrainChannel{gamma, beta, momentum, epsilon, moments, scale, shift});
  if (packs_of_four(c, x, y, scratch))
    launch_for_each("batch_norm_train", s.rows * c / 4, stream,
                    Affine<4, X, Y>{c / 4, x, scale, shift, y});
  else
    launch_for_each("batch_norm_train", s.rows * c, stream, Affine<1, X, Y>{c, x, scale, shift, y});
}

template <typename X, typename Y>
void batch_norm_inference(const BatchNormShape& s, const X* x, const float* gamma,
                          const float* beta, const float* moving_mean, const float* moving_variance,
                          float epsilon, Y* y, Stream stream) {
  launch_for_each("batch_norm_inference", s.rows * s.c, stream,
                  Inference<X, Y>{s.c, x, gamma, beta, moving_mean, moving_variance, epsilon, y});
}

#define EARSHOT_BATCH_NORM(X, Y)                                                                  \
  template void batch_norm_train(const BatchNormShape&, const X*, const float*, const float*,     \
                                 float, float, const BatchNormMoments&, Y*, float*, Stream);      \
  template void batch_norm_inference(const BatchNormShape&, const X*, const float*, const float*, \
                                     const float*, const float*, float, Y*, Stream);
EARSHOT_BATCH_NORM(float, float)
EARSHOT_BATCH_NORM(Bf16, Bf16)
EARSHOT_BATCH_NORM(Bf16, float)
#undef EARSHOT_BATCH_NORM

}  // namespace earshot::cuda
