#include "tests/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace earshot::reference {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Calls `visit(x index, weight index, y index)` for every product of the convolution.
template <typename Visit>
void for_each_product(const ConvolutionShape& s, const Visit& visit) {
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t h = 0; h < s.h; ++h)
      for (int64_t w = 0; w < s.w; ++w)
        for (int64_t o = 0; o < s.c_out; ++o)
          for (int64_t i = 0; i < s.kernel_h; ++i)
            for (int64_t j = 0; j < s.kernel_w; ++j) {
              const int64_t y = h + i - (s.kernel_h - 1) / 2, x = w + j - (s.kernel_w - 1) / 2;
              if (y < 0 || y >= s.h || x < 0 || x >= s.w) continue;  // padding
              for (int64_t c = 0; c < s.c_in; ++c)
                visit(((n * s.h + y) * s.w + x) * s.c_in + c,
                      ((o * s.kernel_h + i) * s.kernel_w + j) * s.c_in + c,
                      ((n * s.h + h) * s.w + w) * s.c_out + o);
            }
}

/// Calls `visit(y index, cell of the window, x index)` for every cell of every window.
template <typename Visit>
void for_each_cell(const PoolShape& s, const Visit& visit) {
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t h = 0; h < s.out_h(); ++h)
      for (int64_t w = 0; w < s.out_w(); ++w)
        for (int64_t c = 0; c < s.c; ++c)
          for (int64_t i = 0; i < s.pool_h; ++i)
            for (int64_t j = 0; j < s.pool_w; ++j)
              visit(((n * s.out_h() + h) * s.out_w() + w) * s.c + c, i * s.pool_w + j,
                    ((n * s.h + h * s.pool_h + i) * s.w + w * s.pool_w + j) * s.c + c);
}

PoolShape pool_of(const ConvolutionShape& s) {
  return {s.n, s.h, s.w, s.c_out, s.pool_h, s.pool_w};
}

size_t count_of(const Shape& shape) { return static_cast<size_t>(shape.count()); }

}  // namespace

Values convolve(const ConvolutionShape& s, const Values& x, const Values& weight,
                const Values& bias) {
  Values y(count_of(s.unpooled()));
  for (size_t i = 0; i < y.size(); ++i) y[i] = bias[i % bias.size()];
  for_each_product(s, [&](int64_t from, int64_t by, int64_t to) { y[to] += x[from] * weight[by]; });
  return y;
}

Values relu(Values x) {
  for (double& value : x) value = std::max(value, 0.0);
  return x;
}

Pooled max_pool(const PoolShape& s, const Values& x) {
  const size_t count = static_cast<size_t>(s.n * s.out_h() * s.out_w() * s.c);
  Pooled out{Values(count, -kInfinity), Cells(count), Values(count)};
  Values second(count, -kInfinity);
  for_each_cell(s, [&](int64_t to, int64_t cell, int64_t from) {
    if (x[from] > out.y[to]) {
      second[to] = out.y[to];
      out.y[to] = x[from];
      out.argmax[to] = static_cast<uint8_t>(cell);
    } else {
      second[to] = std::max(second[to], x[from]);
    }
  });
  for (size_t i = 0; i < count; ++i) out.margin[i] = out.y[i] - second[i];
  return out;
}

Values max_pool_relu_backward(const PoolShape& s, const Values& y, const Cells& argmax,
                              const Values& dy) {
  Values dx(static_cast<size_t>(s.n * s.h * s.w * s.c), 0.0);
  for_each_cell(s, [&](int64_t from, int64_t cell, int64_t to) {
    if (argmax[from] == cell && y[from] > 0) dx[to] = dy[from];
  });
  return dx;
}

Pooled convolution(const ConvolutionShape& s, const Values& x, const Values& weight,
                   const Values& bias) {
  const Values before = convolve(s, x, weight, bias);
  const Pooled raw = max_pool(pool_of(s), before);
  Pooled out = max_pool(pool_of(s), relu(before));
  for (size_t i = 0; i < out.y.size(); ++i)
    out.margin[i] = out.y[i] > 0 ? std::min(out.margin[i], out.y[i]) : -raw.y[i];
  return out;
}

ConvolutionGradients convolution_backward(const ConvolutionShape& s, const Values& x,
                                          const Values& weight, const Pooled& forward,
                                          const Values& dy) {
  const Values g = max_pool_relu_backward(pool_of(s), forward.y, forward.argmax, dy);
  ConvolutionGradients out{Values(count_of(s.x()), 0.0), Values(count_of(s.weight()), 0.0),
                           Values(static_cast<size_t>(s.c_out), 0.0)};
  for (size_t i = 0; i < g.size(); ++i) out.dbias[i % out.dbias.size()] += g[i];
  for_each_product(s, [&](int64_t from, int64_t by, int64_t to) {
    out.dweight[by] += g[to] * x[from];
    out.dx[from] += g[to] * weight[by];
  });
  return out;
}

Normalised batch_norm_train(const BatchNormShape& s, const Values& x, const NormParameters& p) {
  const size_t c = static_cast<size_t>(s.c);
  const double rows = static_cast<double>(s.rows);
  Normalised out{Values(x.size()), Values(c), Values(c), p.moving_mean, p.moving_variance};
  Values squares(c);
  for (size_t i = 0; i < x.size(); ++i) out.mean[i % c] += x[i] / rows;
  for (size_t i = 0; i < x.size(); ++i) squares[i % c] += std::pow(x[i] - out.mean[i % c], 2);
  for (size_t k = 0; k < c; ++k) {
    const double unbiased = s.rows > 1 ? squares[k] / (rows - 1) : 0.0;
    out.inverse_deviation[k] = 1 / std::sqrt(squares[k] / rows + p.epsilon);
    out.moving_mean[k] = p.momentum * p.moving_mean[k] + (1 - p.momentum) * out.mean[k];
    out.moving_variance[k] = p.momentum * p.moving_variance[k] + (1 - p.momentum) * unbiased;
  }
  for (size_t i = 0; i < x.size(); ++i)
    out.y[i] =
        p.gamma[i % c] * (x[i] - out.mean[i % c]) * out.inverse_deviation[i % c] + p.beta[i % c];
  return out;
}

Values batch_norm_inference(const BatchNormShape& s, const Values& x, const NormParameters& p) {
  const size_t c = static_cast<size_t>(s.c);
  Values y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = p.gamma[i % c] * (x[i] - p.moving_mean[i % c]) /
               std::sqrt(p.moving_variance[i % c] + p.epsilon) +
           p.beta[i % c];
  return y;
}

NormGradients batch_norm_backward(const BatchNormShape& s, const Values& x, const Values& dy,
                                  const Values& gamma, const Values& mean,
                                  const Values& inverse_deviation) {
  const size_t c = static_cast<size_t>(s.c);
  const double rows = static_cast<double>(s.rows);
  NormGradients out{Values(x.size()), Values(c), Values(c)};
  Values normal(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    normal[i] = (x[i] - mean[i % c]) * inverse_deviation[i % c];
    out.dgamma[i % c] += dy[i] * normal[i];
    out.dbeta[i % c] += dy[i];
  }
  for (size_t i = 0; i < x.size(); ++i)
    out.dx[i] = gamma[i % c] * inverse_deviation[i % c] / rows *
                (rows * dy[i] - out.dbeta[i % c] - normal[i] * out.dgamma[i % c]);
  return out;
}

Values dense(const DenseShape& s, const Values& x, const Values& weight, const Values& bias) {
  Values y(static_cast<size_t>(s.n * s.out));
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t o = 0; o < s.out; ++o) {
      y[n * s.out + o] = bias[o];
      for (int64_t i = 0; i < s.in; ++i)
        y[n * s.out + o] += x[n * s.in + i] * weight[i * s.out + o];
    }
  return y;
}

DenseGradients dense_backward(const DenseShape& s, const Values& x, const Values& weight,
                              const Values& dy) {
  DenseGradients out{Values(x.size()), Values(weight.size()), Values(static_cast<size_t>(s.out))};
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t o = 0; o < s.out; ++o) {
      const double g = dy[n * s.out + o];
      out.dbias[o] += g;
      for (int64_t i = 0; i < s.in; ++i) {
        out.dx[n * s.in + i] += g * weight[i * s.out + o];
        out.dweight[i * s.out + o] += g * x[n * s.in + i];
      }
    }
  return out;
}

Values relu_backward(const Values& y, const Values& dy) {
  Values dx(y.size());
  for (size_t i = 0; i < y.size(); ++i) dx[i] = y[i] > 0 ? dy[i] : 0.0;
  return dx;
}

Values log_softmax(const LossShape& s, const Values& logits) {
  Values out(logits.size());
  for (int64_t n = 0; n < s.n; ++n) {
    const auto row = logits.begin() + n * s.classes;
    const double largest = *std::max_element(row, row + s.classes);
    double sum = 0;
    for (int64_t c = 0; c < s.classes; ++c) sum += std::exp(row[c] - largest);
    for (int64_t c = 0; c < s.classes; ++c)
      out[n * s.classes + c] = row[c] - largest - std::log(sum);
  }
  return out;
}

Loss softmax_loss(const LossShape& s, const Values& logits, const Values& targets,
                  const Values& class_weights) {
  const Values log_p = log_softmax(s, logits);
  Loss out{Values(static_cast<size_t>(s.n)), Values(logits.size())};
  for (int64_t n = 0; n < s.n; ++n) {
    double weight = 0, mass = 0;
    for (int64_t c = 0; c < s.classes; ++c) {
      weight += targets[n * s.classes + c] * class_weights[c];
      mass += targets[n * s.classes + c];
    }
    for (int64_t i = n * s.classes; i < (n + 1) * s.classes; ++i) {
      out.loss[n] -= weight * targets[i] * log_p[i];
      out.dlogits[i] = weight / static_cast<double>(s.n) * (mass * std::exp(log_p[i]) - targets[i]);
    }
  }
  return out;
}

AdamNumbers keras_adam(int64_t t, double learning_rate, double beta1, double beta2, double epsilon,
                       double weight_decay) {
  const double step = static_cast<double>(t);
  const double correction = std::sqrt(1 - std::pow(beta2, step)) / (1 - std::pow(beta1, step));
  return {learning_rate * correction, beta1, beta2, epsilon, learning_rate * weight_decay};
}

void adam(const AdamNumbers& s, const Values& g, AdamState& state) {
  for (size_t i = 0; i < g.size(); ++i) {
    state.m[i] = s.beta1 * state.m[i] + (1 - s.beta1) * g[i];
    state.v[i] = s.beta2 * state.v[i] + (1 - s.beta2) * g[i] * g[i];
    state.p[i] -= s.rate * state.m[i] / (std::sqrt(state.v[i]) + s.epsilon) + s.decay * state.p[i];
  }
}

}  // namespace earshot::reference
