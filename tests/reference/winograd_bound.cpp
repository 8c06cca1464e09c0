#include "tests/reference/winograd_bound.h"

#include <cmath>

#include "kernels/cook_toom.h"

namespace earshot::reference {
namespace {

constexpr int64_t kTile = 4;  // of gradients
using Rows = std::vector<Values>;

template <class Matrix>
Rows absolute_rows(const Matrix& matrix) {
  Rows rows;
  for (const auto& row : matrix) {
    rows.emplace_back();
    for (const double x : row) rows.back().push_back(std::abs(x));
  }
  return rows;
}

Rows transposed(const Rows& rows) {
  Rows columns(rows[0].size(), Values(rows.size()));
  for (size_t k = 0; k < rows.size(); ++k)
    for (size_t j = 0; j < rows[k].size(); ++j) columns[j][k] = rows[k][j];
  return columns;
}

struct Transforms {
  explicit Transforms(int64_t taps, int64_t tile = kTile) {
    const auto take = [this]<class Filter>() {
      input = absolute_rows(Filter::input());
      filter = absolute_rows(Filter::filter());
      output = absolute_rows(Filter::output());
    };
    if (tile == 8)
      take.operator()<CookToom<6, 8>>();
    else if (tile == 6)
      take.operator()<CookToom<4, 6>>();
    else if (taps == 4)
      take.operator()<CookToom<4>>();
    else
      take.operator()<CookToom<3>>();
  }
  Rows input, filter, output;  // B^T, G, A
};

/// matrix x matrix^T for each channel; x and the result are [row][column][c].
Values both_sides(const Rows& matrix, const Values& x, size_t c) {
  const size_t rows = matrix.size(), side = matrix[0].size();
  Values half(rows * side * c), y(rows * rows * c);
  for (size_t k = 0; k < rows; ++k)
    for (size_t i = 0; i < side; ++i)
      for (size_t j = 0; j < side * c; ++j)
        half[k * side * c + j] += matrix[k][i] * x[i * side * c + j];
  for (size_t k = 0; k < rows; ++k)
    for (size_t l = 0; l < rows; ++l)
      for (size_t j = 0; j < side; ++j)
        for (size_t i = 0; i < c; ++i)
          y[(k * rows + l) * c + i] += matrix[l][j] * half[(k * side + j) * c + i];
  return y;
}

/// The cells [size, size, c] from (h0, w0) on; zeros outside.
Values cells_of(const Shape& plane, const Values& x, int64_t n, int64_t h0, int64_t w0,
                int64_t size) {
  Values cells(static_cast<size_t>(size * size * plane.c));
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j) {
      const int64_t h = h0 + i, w = w0 + j;
      if (h < 0 || h >= plane.h || w < 0 || w >= plane.w) continue;
      for (int64_t c = 0; c < plane.c; ++c)
        cells[(i * size + j) * plane.c + c] = x[((n * plane.h + h) * plane.w + w) * plane.c + c];
    }
  return cells;
}

template <class Visit>
void for_each_tile(const Shape& plane, int64_t tile, const Visit& visit) {
  for (int64_t n = 0; n < plane.n; ++n)
    for (int64_t h = 0; h < plane.h; h += tile)
      for (int64_t w = 0; w < plane.w; w += tile) visit(n, h, w);
}

/// Of the unpooled output; weight [c_out, taps, taps, c_in], `before` cells of padding.
Values filtered(const Shape& plane, const Values& x, int64_t c_out, int64_t taps, int64_t before,
                const Values& weight, int64_t tile = kTile) {
  const Transforms t(taps, tile);
  const size_t points = t.input.size() * t.input.size(), c_in = static_cast<size_t>(plane.c);
  Rows u;
  for (int64_t o = 0; o < c_out; ++o) {
    const auto first = weight.begin() + o * taps * taps * plane.c;
    u.push_back(both_sides(t.filter, {first, first + taps * taps * plane.c}, c_in));
  }
  Values y(static_cast<size_t>(plane.n * plane.h * plane.w * c_out));
  for_each_tile(plane, tile, [&](int64_t n, int64_t h, int64_t w) {
    const Values v =
        both_sides(t.input, cells_of(plane, x, n, h - before, w - before, t.input.size()), c_in);
    for (int64_t o = 0; o < c_out; ++o) {
      Values m(points);
      for (size_t i = 0; i < v.size(); ++i) m[i / c_in] += v[i] * u[o][i];
      const Values cells = both_sides(transposed(t.output), m, 1);
      for (int64_t i = 0; i < tile && h + i < plane.h; ++i)
        for (int64_t j = 0; j < tile && w + j < plane.w; ++j)
          y[((n * plane.h + h + i) * plane.w + w + j) * c_out + o] = cells[i * tile + j];
    }
  });
  return y;
}

Values weight_sizes(const ConvolutionShape& s, const Values& x, const Values& gradient) {
  const Transforms t(s.kernel_h);
  const size_t c_in = s.c_in, c_out = s.c_out, points = t.input.size() * t.input.size();
  std::vector<Values> sums(c_out, Values(points * c_in));
  for_each_tile(s.x(), kTile, [&](int64_t n, int64_t h, int64_t w) {
    const int64_t before = (s.kernel_h - 1) / 2;
    const Values v =
        both_sides(t.input, cells_of(s.x(), x, n, h - before, w - before, t.input.size()), c_in);
    const Values m = both_sides(t.output, cells_of(s.unpooled(), gradient, n, h, w, kTile), c_out);
    for (size_t o = 0; o < c_out; ++o)
      for (size_t i = 0; i < v.size(); ++i) sums[o][i] += v[i] * m[i / c_in * c_out + o];
  });
  Values sizes;
  for (const Values& sum : sums) {
    const Values taps = both_sides(transposed(t.filter), sum, c_in);
    sizes.insert(sizes.end(), taps.begin(), taps.end());
  }
  return sizes;
}

}  // namespace

int64_t winograd_terms(const ConvolutionShape& s, int64_t tile, int64_t sum) {
  return sum + 4 * (s.kernel_h + tile - 1);  // two transforms of two sides
}

Values winograd_output_sizes(const ConvolutionShape& s, int64_t tile, const Values& x,
                             const Values& weight, const Values& bias) {
  Values y = filtered(s.x(), x, s.c_out, s.kernel_h, (s.kernel_h - 1) / 2, weight, tile);
  for (size_t i = 0; i < y.size(); ++i) y[i] += bias[i % bias.size()];
  return max_pool({s.n, s.h, s.w, s.c_out, s.pool_h, s.pool_w}, y).y;
}

Values line_output_sizes(const ConvolutionShape& s, int64_t tile, const Values& x,
                         const Values& weight, const Values& bias) {
  const int64_t group = tile == 8 ? 6 : 4;  // taps that share a transform
  const Transforms t(group, tile);
  const int64_t points = t.input.size(), c_in = s.c_in, taps = s.kernel_w;
  Values y(static_cast<size_t>(s.unpooled().count()));
  // Of tap j of output tile t + i by way of point k, the input cells l: all of |A| |G| |B^T|.
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t w = 0; w < s.w; ++w)
      for (int64_t o = 0; o < s.c_out; ++o) {
        double& sum = y[(n * s.w + w) * s.c_out + o];
        sum = bias[o];
        for (int64_t c = 0; c < c_in; ++c)
          for (int64_t first = 0; first < taps; first += group)
            for (int64_t k = 0; k < points; ++k) {
              double u = 0, v = 0;
              for (int64_t j = 0; j < group && first + j < taps; ++j)
                u += t.filter[k][j] * weight[(o * taps + first + j) * c_in + c];
              for (int64_t l = 0; l < points; ++l) {
                const int64_t at = w / tile * tile + first + l - (taps - 1) / 2;
                if (at >= 0 && at < s.w) v += t.input[k][l] * x[(n * s.w + at) * c_in + c];
              }
              sum += t.output[k][w % tile] * u * v;
            }
      }
  return max_pool({s.n, s.h, s.w, s.c_out, s.pool_h, s.pool_w}, y).y;
}

WinogradSizes winograd_gradient_sizes(const ConvolutionShape& s, const Values& x,
                                      const Values& weight, const Values& gradient) {
  const int64_t taps = s.kernel_h * s.kernel_w;
  Values turned(weight.size());
  for (int64_t o = 0; o < s.c_out; ++o)
    for (int64_t k = 0; k < taps; ++k)
      for (int64_t i = 0; i < s.c_in; ++i)
        turned[(i * taps + taps - 1 - k) * s.c_out + o] = weight[(o * taps + k) * s.c_in + i];
  return {filtered(s.unpooled(), gradient, s.c_in, s.kernel_h, s.kernel_h / 2, turned),
          weight_sizes(s, x, gradient)};
}

}  // namespace earshot::reference
