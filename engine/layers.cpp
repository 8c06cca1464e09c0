#include "engine/layers.h"

namespace earshot {

BatchNorm::BatchNorm(Backend& backend, Parameters& parameters, std::string name, int64_t channels,
                     BatchNormOptions options)
    : backend_(backend),
      parameters_(parameters),
      name_(std::move(name)),
      channels_(channels),
      options_(options) {
  const Shape vector{1, 1, 1, channels};
  const auto declare = [&](const char* what, Parameters::Kind kind, float start) {
    return parameters.declare(name_ + "." + what, vector, kind, {0, 0, start});
  };
  gamma_ = declare("gamma", Parameters::Kind::kTrainable, 1.0f);
  beta_ = declare("beta", Parameters::Kind::kTrainable, 0.0f);
  moving_mean_ = declare("moving_mean", Parameters::Kind::kStatistic, 0.0f);
  moving_variance_ = declare("moving_variance", Parameters::Kind::kStatistic, 1.0f);
}

Shape BatchNorm::plan(Planner& planner, const Shape& x) {
  features_ = x.features();
  const Shape vector{1, 1, 1, channels_};
  y_id_ = options_.x == options_.y ? planner.over_input(x, options_.y) : -1;
  if (y_id_ < 0) y_id_ = planner.output(name_ + ".y", x, options_.y);
  mean_id_ = planner.saved(name_ + ".mean", vector);
  deviation_id_ = planner.saved(name_ + ".inverse_deviation", vector);
  if (planner.training && planner.wants_dx)
    dx_id_ = planner.input_gradient(name_ + ".dx", x, options_.x);
  return x;
}

void BatchNorm::bind(const Places& places) {
  y_ = places(y_id_);
  mean_ = places(mean_id_);
  deviation_ = places(deviation_id_);
  dx_ = places(dx_id_);
}

Tensor BatchNorm::forward(const Tensor& x, const StepInfo& step) {
  const TraceRange range(name_, TracePhase::kForward);
  x_ = x;
  const bool frozen = step.mode == Mode::kFrozenBatch;
  const BatchNormForward t{x,
                           parameters_.value(gamma_),
                           parameters_.value(beta_),
                           frozen ? Tensor{} : parameters_.value(moving_mean_),
                           frozen ? Tensor{} : parameters_.value(moving_variance_),
                           y_.first(x.shape.n),
                           mean_,
                           deviation_,
                           options_.momentum,
                           options_.epsilon};
  if (step.mode == Mode::kInference)
    backend_.batch_norm_inference(t);
  else
    backend_.batch_norm_train(t);
  return t.y;
}

Tensor BatchNorm::backward(const Tensor& dy) {
  const TraceRange range(name_, TracePhase::kBackward);
  const Tensor dx = dx_.data ? dx_.first(dy.shape.n) : dy;
  backend_.batch_norm_backward({x_, parameters_.value(gamma_), mean_, deviation_, dy, dx,
                                parameters_.gradient(gamma_), parameters_.gradient(beta_)});
  return dx;
}

std::vector<LayerWork> BatchNorm::work(int64_t n) const {
  const double count = double(n * features_);
  return {{name_, {5 * count, 8 * count, 5 * count}, {9 * count, 12 * count, 9 * count}}};
}

Dense::Dense(Backend& backend, Parameters& parameters, std::string name, int64_t in, int64_t out,
             Activation activation)
    : backend_(backend),
      parameters_(parameters),
      name_(std::move(name)),
      in_(in),
      out_(out),
      activation_(activation) {
  weight_ = parameters.declare(name_ + ".weight", {in, 1, 1, out}, Parameters::Kind::kTrainable,
                               {static_cast<double>(in), static_cast<double>(out), 0});
  bias_ = parameters.declare(name_ + ".bias", {1, 1, 1, out}, Parameters::Kind::kTrainable, {});
}

Shape Dense::plan(Planner& planner, const Shape& x) {
  if (x.features() != in_) fail("layer {}: {} features in, {} expected", name_, x.features(), in_);
  const Shape y{x.n, 1, 1, out_};
  y_id_ = planner.output(name_ + ".y", y);
  if (planner.training && planner.wants_dx) dx_id_ = planner.input_gradient(name_ + ".dx", x);
  return y;
}

void Dense::bind(const Places& places) {
  y_ = places(y_id_);
  dx_ = places(dx_id_);
}

Tensor Dense::forward(const Tensor& x, const StepInfo&) {
  const TraceRange range(name_, TracePhase::kForward);
  x_ = x;
  const Tensor y = y_.first(x.shape.n);
  backend_.dense_forward({x, parameters_.value(weight_), parameters_.value(bias_), y, activation_});
  return y;
}

Tensor Dense::backward(const Tensor& dy) {
  const TraceRange range(name_, TracePhase::kBackward);
  const Tensor dx = dx_.data ? dx_.first(dy.shape.n) : Tensor{};
  backend_.dense_backward({x_, parameters_.value(weight_), y_.first(dy.shape.n), dy, dx,
                           parameters_.gradient(weight_), parameters_.gradient(bias_),
                           activation_});
  return dx;
}

std::vector<LayerWork> Dense::work(int64_t n) const {
  const double flops = 2.0 * double(n * in_ * out_), gradients = dx_id_ >= 0 ? 2 : 1;
  const double x = 4.0 * double(n * in_), weight = 4.0 * double(in_ * out_),
               y = 4.0 * double(n * out_);
  return {{name_,
           {flops, x + weight + y, flops},
           {gradients * flops, gradients * (x + weight) + 2 * y, gradients * flops}}};
}

DropoutLayer::DropoutLayer(Backend& backend, std::string name, float rate, uint32_t index)
    : backend_(backend), name_(std::move(name)), rate_(rate), index_(index) {}

Shape DropoutLayer::plan(Planner& planner, const Shape& x) {
  y_id_ = planner.output(name_ + ".y", x);
  if (planner.training) dx_id_ = planner.input_gradient(name_ + ".dx", x);
  return x;
}

void DropoutLayer::bind(const Places& places) {
  y_ = places(y_id_);
  dx_ = places(dx_id_);
}

Tensor DropoutLayer::forward(const Tensor& x, const StepInfo& step) {
  const TraceRange range(name_, TracePhase::kForward);
  step_ = step;
  const Tensor y = y_.first(x.shape.n);
  if (step.mode == Mode::kTrain)
    backend_.dropout({x, y, rate_, step.seed, &step.scalars->step, index_});
  else
    backend_.copy_columns(x, y, 0);
  return y;
}

Tensor DropoutLayer::backward(const Tensor& dy) {
  const TraceRange range(name_, TracePhase::kBackward);
  const Tensor dx = dx_.first(dy.shape.n);
  backend_.dropout({dy, dx, rate_, step_.seed, &step_.scalars->step, index_});
  return dx;
}

std::vector<LayerWork> DropoutLayer::work(int64_t n) const {
  const double bytes = 8.0 * double(n * y_.shape.features());
  return {{name_, {0, bytes, 0}, {0, bytes, 0}}};
}

}  // namespace earshot
