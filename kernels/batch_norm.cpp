#include "kernels/batch_norm.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace earshot {
namespace {

constexpr int64_t kChunkFloats = 16384;  // 64 KB: a chunk is read twice but fetched once

/// Rows of chunk i: [begin, end).
struct Chunks {
  int64_t rows, per_chunk, count;
  explicit Chunks(const BatchNormShape& s)
      : rows(s.rows),
        per_chunk(std::max<int64_t>(1, kChunkFloats / s.c)),
        count((s.rows + per_chunk - 1) / per_chunk) {}
  int64_t begin(int64_t i) const { return i * per_chunk; }
  int64_t end(int64_t i) const { return std::min(rows, (i + 1) * per_chunk); }
};

/// sum [c] = what `add(row, partial)` adds over the rows [begin, end). Groups of rows are summed
/// apart first: one float that took in thousands of rows would lose two digits.
template <typename Add>
void sum_rows(int64_t begin, int64_t end, std::vector<float>& partial, float* sum, const Add& add) {
  constexpr int64_t kGroup = 64;
  const auto c = static_cast<int64_t>(partial.size());
  std::fill_n(sum, c, 0.0f);
  for (int64_t first = begin; first < end; first += kGroup) {
    std::fill(partial.begin(), partial.end(), 0.0f);
    for (int64_t r = first; r < std::min(first + kGroup, end); ++r) add(r, partial.data());
#pragma omp simd
    for (int64_t i = 0; i < c; ++i) sum[i] += partial[i];
  }
}

/// Mean and sum of squared deviations of one chunk.
void chunk_moments(const float* x, int64_t rows, int64_t c, float* mean, float* m2) {
  std::vector<float> partial(c);
  sum_rows(0, rows, partial, mean, [&](int64_t r, float* to) {
#pragma omp simd
    for (int64_t i = 0; i < c; ++i) to[i] += x[r * c + i];
  });
  const float scale = 1.0f / static_cast<float>(rows);
  for (int64_t i = 0; i < c; ++i) mean[i] *= scale;
  sum_rows(0, rows, partial, m2, [&](int64_t r, float* to) {
#pragma omp simd
    for (int64_t i = 0; i < c; ++i) {
      const float d = x[r * c + i] - mean[i];
      to[i] += d * d;
    }
  });
}

/// Chan, Golub & LeVeque: merges the chunks' moments in order, in double.
void merge_moments(const Chunks& chunks, int64_t c, const std::vector<float>& means,
                   const std::vector<float>& m2s, int64_t i, double* mean, double* m2) {
  double count = 0;
  *mean = 0;
  *m2 = 0;
  for (int64_t k = 0; k < chunks.count; ++k) {
    const double n = static_cast<double>(chunks.end(k) - chunks.begin(k));
    const double delta = static_cast<double>(means[k * c + i]) - *mean;
    const double total = count + n;
    *mean += delta * n / total;
    *m2 += static_cast<double>(m2s[k * c + i]) + delta * delta * count * n / total;
    count = total;
  }
}

void affine(const BatchNormShape& s, const float* x, const std::vector<float>& scale,
            const std::vector<float>& shift, float* y) {
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < s.rows; ++r)
#pragma omp simd
    for (int64_t i = 0; i < s.c; ++i) y[r * s.c + i] = x[r * s.c + i] * scale[i] + shift[i];
}

}  // namespace

void batch_norm_train(const BatchNormShape& s, const float* x, const float* gamma,
                      const float* beta, float momentum, float epsilon, const BatchNormMoments& out,
                      float* y) {
  const Chunks chunks(s);
  std::vector<float> means(chunks.count * s.c), m2s(chunks.count * s.c);
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < chunks.count; ++k)
    chunk_moments(x + chunks.begin(k) * s.c, chunks.end(k) - chunks.begin(k), s.c, &means[k * s.c],
                  &m2s[k * s.c]);
  std::vector<float> scale(s.c), shift(s.c);
  const double rows = static_cast<double>(s.rows);
  for (int64_t i = 0; i < s.c; ++i) {
    double mean, m2;
    merge_moments(chunks, s.c, means, m2s, i, &mean, &m2);
    const double unbiased = m2 / std::max(rows - 1, 1.0);
    const double inverse = 1.0 / std::sqrt(m2 / rows + static_cast<double>(epsilon));
    out.mean[i] = static_cast<float>(mean);
    out.inverse_deviation[i] = static_cast<float>(inverse);
    if (out.moving_mean) {
      const float fresh = 1 - momentum;
      out.moving_mean[i] = momentum * out.moving_mean[i] + fresh * static_cast<float>(mean);
      out.moving_variance[i] =
          momentum * out.moving_variance[i] + fresh * static_cast<float>(unbiased);
    }
    scale[i] = static_cast<float>(gamma[i] * inverse);
    shift[i] = static_cast<float>(beta[i] - gamma[i] * inverse * mean);
  }
  affine(s, x, scale, shift, y);
}

void batch_norm_inference(const BatchNormShape& s, const float* x, const float* gamma,
                          const float* beta, const float* moving_mean, const float* moving_variance,
                          float epsilon, float* y) {
  std::vector<float> scale(s.c), shift(s.c);
  for (int64_t i = 0; i < s.c; ++i) {
    const double k = gamma[i] / std::sqrt(static_cast<double>(moving_variance[i]) +
                                          static_cast<double>(epsilon));
    scale[i] = static_cast<float>(k);
    shift[i] = static_cast<float>(beta[i] - k * moving_mean[i]);
  }
  affine(s, x, scale, shift, y);
}

void batch_norm_backward(const BatchNormShape& s, const float* x, const float* dy,
                         const float* gamma, const float* mean, const float* inverse_deviation,
                         const BatchNormGradients& out) {
  const Chunks chunks(s);
  const int64_t c = s.c;
  std::vector<float> sums(chunks.count * 2 * c);  // of each chunk: of dy, of dy (x - mean)
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < chunks.count; ++k) {
    std::vector<float> partial(2 * c);
    sum_rows(chunks.begin(k), chunks.end(k), partial, &sums[k * 2 * c], [&](int64_t r, float* to) {
#pragma omp simd
      for (int64_t i = 0; i < c; ++i) {
        to[i] += dy[r * c + i];
        to[c + i] += dy[r * c + i] * (x[r * c + i] - mean[i]);
      }
    });
  }
  // dx = a dy + b (x - mean) + d, per channel
  std::vector<float> a(c), b(c), d(c);
  const double rows = static_cast<double>(s.rows);
  for (int64_t i = 0; i < c; ++i) {
    double sum = 0, product = 0;
    for (int64_t k = 0; k < chunks.count; ++k) {
      sum += static_cast<double>(sums[k * 2 * c + i]);
      product += static_cast<double>(sums[(k * 2 + 1) * c + i]);
    }
    const double inverse = inverse_deviation[i];
    const double scale = gamma[i] * inverse;
    out.dbeta[i] = static_cast<float>(sum);
    out.dgamma[i] = static_cast<float>(product * inverse);
    a[i] = static_cast<float>(scale);
    b[i] = static_cast<float>(-scale * inverse * inverse * product / rows);
    d[i] = static_cast<float>(-scale * sum / rows);
  }
#pragma omp parallel for schedule(static)
  for (int64_t r = 0; r < s.rows; ++r)
#pragma omp simd
    for (int64_t i = 0; i < c; ++i)
      out.dx[r * c + i] = a[i] * dy[r * c + i] + b[i] * (x[r * c + i] - mean[i]) + d[i];
}

}  // namespace earshot
