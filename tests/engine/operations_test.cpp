// The other operations of a backend against the double reference: batch norm, dense, dropout,
// loss, Adam, and the small ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "tests/engine/backend_fixture.h"
#include "tests/reference/reference.h"

namespace earshot {
namespace {

using reference::Values;

class Operations : public BackendTest {
 protected:
  static Shape vector(int64_t c) { return {1, 1, 1, c}; }
};

struct NormTensors {
  NormTensors(Backend& backend, const Shape& shape)
      : x(backend, shape, "x", random_values(shape.count(), 1, 1, 3)),
        gamma(backend, {1, 1, 1, shape.c}, "gamma", random_values(shape.c, 2)),
        beta(backend, {1, 1, 1, shape.c}, "beta", random_values(shape.c, 3)),
        moving_mean(backend, {1, 1, 1, shape.c}, "moving mean", random_values(shape.c, 4)),
        moving_variance(backend, {1, 1, 1, shape.c}, "moving variance",
                        random_values(shape.c, 5, 0.1, 2)),
        y(backend, shape, "y"),
        mean(backend, {1, 1, 1, shape.c}, "mean"),
        deviation(backend, {1, 1, 1, shape.c}, "inverse deviation") {}
  GuardedTensor x, gamma, beta, moving_mean, moving_variance, y, mean, deviation;

  BatchNormForward forward() const {
    return {x, gamma, beta, moving_mean, moving_variance, y, mean, deviation, 0.99f, 1e-3f};
  }
  reference::NormParameters exact() const {
    return {widen(gamma.get()),           widen(beta.get()), widen(moving_mean.get()),
            widen(moving_variance.get()), double(0.99f),     double(1e-3f)};
  }
};

constexpr Shape kNormShapes[] = {{1, 1, 1, 3}, {5, 1, 1, 64}, {3, 5, 7, 17}, {2, 1, 33, 1}};

TEST_P(Operations, BatchNormTrainsAndInfers) {
  for (const Shape& shape : kNormShapes) {
    NormTensors t(backend(), shape);
    const BatchNormShape s{shape.rows(), shape.c};
    const auto before = t.exact();
    const Values x = widen(t.x.get());
    // 1 / deviation <= 1 / sqrt(epsilon) where there is one row; |x| < 3, normal values < 6.
    const auto expected = reference::batch_norm_train(s, x, before);
    const double inverse =
        *std::max_element(expected.inverse_deviation.begin(), expected.inverse_deviation.end());
    const double g = growth(s.rows) * 3 * (1 + inverse) * 7;
    backend().batch_norm_inference(t.forward());
    expect_close(t.y.get(), reference::batch_norm_inference(s, x, before),
                 rounding(growth(1), Values(x.size(), 3 * 4 * 7)), "batch norm inference");
    backend().batch_norm_train(t.forward());
    expect_close(t.y.get(), expected.y, rounding(g, Values(x.size(), 1.0)), "batch norm y");
    expect_close(t.mean.get(), expected.mean, rounding_of_largest(g, expected.mean), "mean");
    expect_close(t.deviation.get(), expected.inverse_deviation,
                 rounding_of_largest(g, expected.inverse_deviation), "inverse deviation");
    expect_close(t.moving_mean.get(), expected.moving_mean,
                 rounding(growth(s.rows), Values(before.gamma.size(), 3.0)), "moving mean");
    expect_close(t.moving_variance.get(), expected.moving_variance,
                 rounding(growth(s.rows), Values(before.gamma.size(), 3.0)), "moving variance");
  }
}

TEST_P(Operations, BatchNormWithoutAveragesLeavesThemAlone) {
  NormTensors t(backend(), {3, 5, 7, 17});
  backend().batch_norm_train(t.forward());
  const std::vector<float> y = t.y.get(), moved = t.moving_mean.get();
  BatchNormForward frozen = t.forward();
  frozen.moving_mean = frozen.moving_variance = Tensor{};
  backend().batch_norm_train(frozen);
  EXPECT_EQ(t.y.get(), y);
  EXPECT_EQ(t.moving_mean.get(), moved);
}

TEST_P(Operations, BatchNormBackward) {
  for (const Shape& shape : kNormShapes) {
    NormTensors t(backend(), shape);
    backend().batch_norm_train(t.forward());
    const std::vector<float> dy_values = random_values(shape.count(), 6);
    GuardedTensor dy(backend(), shape, "dy", dy_values), dx(backend(), shape, "dx");
    GuardedTensor dgamma(backend(), vector(shape.c), "dgamma");
    GuardedTensor dbeta(backend(), vector(shape.c), "dbeta");
    backend().batch_norm_backward({t.x, t.gamma, t.mean, t.deviation, dy, dx, dgamma, dbeta});
    const BatchNormShape s{shape.rows(), shape.c};
    const Values deviation = widen(t.deviation.get());
    const auto expected =
        reference::batch_norm_backward(s, widen(t.x.get()), widen(dy_values), widen(t.gamma.get()),
                                       widen(t.mean.get()), deviation);
    // Sums of |dy| <= rows, of |dy| (|x| + |mean|) inverse <= 6 rows inverse.
    const double inverse = *std::max_element(deviation.begin(), deviation.end());
    const double g = growth(s.rows), rows = double(s.rows), spread = 6 * inverse;
    const size_t c = deviation.size();
    expect_close(dbeta.get(), expected.dbeta, rounding(g, Values(c, rows)), "dbeta");
    expect_close(dgamma.get(), expected.dgamma, rounding(g, Values(c, rows * spread)), "dgamma");
    expect_close(dx.get(), expected.dx,
                 rounding(g, Values(dy_values.size(), inverse * (2 + spread * spread))), "dx");
  }
}

constexpr reference::DenseShape kDenseShapes[] = {
    {1, 1, 1}, {1, 17, 41}, {3, 100, 64}, {33, 64, 5}, {5, 2304, 12}};

TEST_P(Operations, DenseForwardAndBackward) {
  for (const auto& s : kDenseShapes)
    for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
      const bool is_relu = activation == Activation::kRelu;
      // Fed by a trunk: the features of an example are h w c.
      GuardedTensor x(backend(), {s.n, 1, s.in, 1}, "x", random_values(s.n * s.in, 1));
      GuardedTensor w(backend(), {s.in, 1, 1, s.out}, "weight", random_values(s.in * s.out, 2));
      GuardedTensor b(backend(), vector(s.out), "bias", random_values(s.out, 3));
      GuardedTensor y(backend(), {s.n, 1, 1, s.out}, "y");
      backend().dense_forward({x, w, b, y, activation});
      const Values wide_x = widen(x.get()), wide_w = widen(w.get());
      Values expected = reference::dense(s, wide_x, wide_w, widen(b.get()));
      if (is_relu) expected = reference::relu(expected);
      const Values sizes =
          reference::dense(s, absolute(wide_x), absolute(wide_w), absolute(widen(b.get())));
      const Precision precision = GetParam().precision;
      expect_close(y.get(), expected, product_rounding(precision, s.in, sizes), "dense y");

      const std::vector<float> dy_values = random_values(s.n * s.out, 4);
      GuardedTensor dy(backend(), {s.n, 1, 1, s.out}, "dy", dy_values);
      GuardedTensor dx(backend(), {s.n, 1, s.in, 1}, "dx");
      GuardedTensor dw(backend(), {s.in, 1, 1, s.out}, "dweight");
      GuardedTensor db(backend(), vector(s.out), "dbias");
      backend().dense_backward({x, w, y, dy, dx, dw, db, activation});
      Values g = widen(dy_values);
      if (is_relu) g = reference::relu_backward(widen(y.get()), g);
      const auto gradients = reference::dense_backward(s, wide_x, wide_w, g);
      const auto bound =
          reference::dense_backward(s, absolute(wide_x), absolute(wide_w), absolute(g));
      expect_close(dw.get(), gradients.dweight, product_rounding(precision, s.n, bound.dweight),
                   "dweight");
      expect_close(db.get(), gradients.dbias, rounding(growth(s.n), bound.dbias), "dbias");
      expect_close(dx.get(), gradients.dx, product_rounding(precision, s.out, bound.dx),
                   "dense dx");

      const std::vector<float> with_dx = dw.get();
      dy.set(dy_values);
      backend().dense_backward({x, w, y, dy, Tensor{}, dw, db, activation});
      EXPECT_EQ(dw.get(), with_dx);
    }
}

TEST_P(Operations, SoftmaxLossAndLogSoftmax) {
  for (const LossShape s : {LossShape{1, 2}, {3, 17}, {32, 41}}) {
    const Shape shape{s.n, 1, 1, s.classes};
    GuardedTensor logits(backend(), shape, "logits", random_values(shape.count(), 1, -4, 4));
    GuardedTensor targets(backend(), shape, "targets", random_values(shape.count(), 2, 0, 0.5));
    GuardedTensor weights(backend(), vector(s.classes), "class weights",
                          random_values(s.classes, 3, 0.5, 2));
    GuardedTensor loss(backend(), {s.n, 1, 1, 1}, "loss"), dlogits(backend(), shape, "dlogits");
    GuardedTensor log_p(backend(), shape, "log probabilities");
    backend().softmax_loss({logits, targets, weights, loss, dlogits});
    backend().log_softmax(logits, log_p);
    const auto expected =
        reference::softmax_loss(s, widen(logits.get()), widen(targets.get()), widen(weights.get()));
    // Weight <= classes, mass <= classes / 2, |log p| <= 8 + log(classes).
    const double classes = double(s.classes), log_size = 9 + std::log(classes);
    const double g = growth(s.classes);
    expect_close(loss.get(), expected.loss,
                 rounding(g, Values(expected.loss.size(), classes * classes / 2 * log_size)),
                 "loss");
    expect_close(dlogits.get(), expected.dlogits,
                 rounding(g, Values(expected.dlogits.size(),
                                    classes * classes / 2 * log_size / double(s.n))),
                 "dlogits");
    expect_close(log_p.get(), reference::log_softmax(s, widen(logits.get())),
                 rounding(g, Values(expected.dlogits.size(), log_size)), "log softmax");
    const std::vector<float> with_gradient = loss.get();
    backend().softmax_loss({logits, targets, weights, loss, Tensor{}});
    EXPECT_EQ(loss.get(), with_gradient);
  }
}

TEST_P(Operations, DropoutIsOneMaskForwardAndBackward) {
  const Shape shape{3, 1, 1, 333};
  GuardedTensor x(backend(), shape, "x", random_values(shape.count(), 1, 1, 2));
  GuardedTensor y(backend(), shape, "y"), dx(backend(), shape, "dx");
  backend().dropout({x, y, 0.4f, 5, 6, 7});
  backend().dropout({x, dx, 0.4f, 5, 6, 7});
  EXPECT_EQ(y.get(), dx.get());
  // A shorter batch drops the same cells of its examples.
  GuardedTensor part(backend(), {2, 1, 1, 333}, "part");
  backend().dropout({(*x).first(2), part, 0.4f, 5, 6, 7});
  std::vector<float> first = y.get();
  const int64_t zeros = std::count(first.begin(), first.end(), 0.0f);
  EXPECT_LE(std::abs(double(zeros) - 0.4 * 999), 6 * std::sqrt(999 * 0.4 * 0.6));
  first.resize(2 * 333);
  EXPECT_EQ(part.get(), first);
}

TEST_P(Operations, AdamMatches) {
  const int64_t count = 1001;
  GuardedTensor p(backend(), vector(count), "p", random_values(count, 1));
  GuardedTensor m(backend(), vector(count), "m", std::vector<float>(count, 0.0f));
  GuardedTensor v(backend(), vector(count), "v", std::vector<float>(count, 0.0f));
  GuardedTensor g(backend(), vector(count), "g");
  reference::AdamState exact{widen(p.get()), widen(m.get()), widen(v.get())};
  for (int64_t t = 1; t <= 5; ++t) {
    g.set(random_values(count, uint32_t(10 + t)));
    const AdamStep step = adam_step(t, 1e-3, 0.9, 0.999, 1e-7, 0.01);
    backend().adam(p, g, m, v, step);
    reference::adam({double(step.rate), double(step.beta1), double(step.beta2),
                     double(step.epsilon), double(step.decay)},
                    widen(g.get()), exact);
  }
  const std::vector<double> tolerance = rounding(growth(5), Values(count, 1.0));
  expect_close(p.get(), exact.p, tolerance, "Adam p");
  expect_close(m.get(), exact.m, tolerance, "Adam m");
  expect_close(v.get(), exact.v, tolerance, "Adam v");
}

TEST_P(Operations, AllFiniteFindsOneBadValueAnywhere) {
  for (const int64_t count : {1, 3, 1001}) {
    std::vector<float> values = random_values(count, 1, -3e38, 3e38);
    GuardedTensor t(backend(), vector(count), "t", values);
    EXPECT_TRUE(backend().all_finite(t));
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()})
      for (const size_t at : {size_t{0}, values.size() / 2, values.size() - 1}) {
        std::vector<float> broken = values;
        broken[at] = bad;
        t.set(broken);
        EXPECT_FALSE(backend().all_finite(t));
      }
  }
}

TEST_P(Operations, CopyColumnsJoinsFeatures) {
  const std::vector<float> left = random_values(3 * 5, 1), right = random_values(3 * 4, 2);
  GuardedTensor a(backend(), {3, 1, 1, 5}, "a", left), b(backend(), {3, 2, 2, 1}, "b", right);
  GuardedTensor joined(backend(), {3, 1, 1, 9}, "joined");
  backend().copy_columns(a, joined, 0);
  backend().copy_columns(*b, joined, 5);
  std::vector<float> expected;
  for (int64_t i = 0; i < 3; ++i) {
    expected.insert(expected.end(), left.begin() + i * 5, left.begin() + (i + 1) * 5);
    expected.insert(expected.end(), right.begin() + i * 4, right.begin() + (i + 1) * 4);
  }
  EXPECT_EQ(joined.get(), expected);
}

TEST_P(Operations, CopyCellsPoolsRunsOfThem) {
  const std::vector<float> x = random_values(2 * 7 * 3, 1), before = random_values(6 * 3, 2);
  GuardedTensor from(backend(), {2, 1, 7, 3}, "from", x), to(backend(), {1, 1, 6, 3}, "to", before);
  const std::vector<CellRun> runs{{1, 5, 2}, {4, 0, 1}};  // the first crosses examples
  GuardedTensor table(backend(), {1, 1, 2, 3}, "runs", DType::kI32);
  backend().copy_to_device(table, runs.data());
  backend().copy_cells({static_cast<const CellRun*>((*table).data), 2, 3}, from, to);
  std::vector<float> expected = before;
  for (const CellRun& run : runs)
    for (int64_t i = 0; i < run.count; ++i)
      for (int64_t c = 0; c < 3; ++c) {
        const float* cell = &x[(run.from + 3 * i) * 3 + c];
        expected[(run.to + i) * 3 + c] = std::max({cell[0], cell[3], cell[6]});
      }
  EXPECT_EQ(to.get(), expected);
}

TEST_P(Operations, ZeroAndCopiesTouchTheirTensorAlone) {
  const std::vector<float> values = random_values(17, 1);
  GuardedTensor t(backend(), vector(17), "t", values);
  EXPECT_EQ(t.get(), values);
  backend().zero(t);
  EXPECT_EQ(t.get(), std::vector<float>(17, 0.0f));
}

EARSHOT_ALL_BACKENDS(Operations);

}  // namespace
}  // namespace earshot
