#include "engine/conv_block.h"

#include <algorithm>

namespace earshot {

ConvBlock::ConvBlock(Backend& backend, Parameters& parameters, std::string name,
                     const BlockRow& row, int64_t c_in)
    : backend_(backend), parameters_(parameters), name_(std::move(name)), row_(row) {
  for (size_t i = 0; i < row.convolutions.size(); ++i) {
    const auto& conv = row.convolutions[i];
    Unit unit;
    unit.name = fmt::format("{}.conv{}", name_, i + 1);
    const double field = static_cast<double>(conv.kernel_h * conv.kernel_w);
    unit.weight = parameters.declare(
        unit.name + ".weight", {conv.channels, conv.kernel_h, conv.kernel_w, c_in},
        Parameters::Kind::kTrainable,
        {field * static_cast<double>(c_in), field * static_cast<double>(conv.channels), 0});
    unit.bias = parameters.declare(unit.name + ".bias", {1, 1, 1, conv.channels},
                                   Parameters::Kind::kTrainable, {});
    c_in = conv.channels;
    units_.push_back(std::move(unit));
  }
}

Shape ConvBlock::plan(Planner& planner, const Shape& input) {
  Shape x = input;
  for (size_t i = 0; i < units_.size(); ++i) {
    Unit& u = units_[i];
    if (i > 0) planner.advance();
    const bool last = i + 1 == units_.size();
    const auto& conv = row_.convolutions[i];
    u.shape = {x.n,
               x.h,
               x.w,
               x.c,
               conv.channels,
               conv.kernel_h,
               conv.kernel_w,
               last ? row_.pool_h : 1,
               last ? row_.pool_w : 1};
    if (u.shape.y().features() == 0)
      fail("layer {}: an input of {} is smaller than the pool {}x{}", u.name, to_string(x),
           row_.pool_h, row_.pool_w);
    int64_t forward = 0, backward = 0;
    for (const int64_t n : planner.batches()) {
      ConvolutionShape at = u.shape;
      at.n = n;
      auto& plan = u.plans[n] = backend_.convolution(at, u.name);
      forward = std::max(forward, plan->forward_scratch());
      backward = std::max(backward, plan->backward_scratch());
    }
    u.y_id = planner.output(u.name + ".y", u.shape.y());
    if (u.shape.pooled()) u.argmax_id = planner.output(u.name + ".argmax", u.shape.y(), DType::kU8);
    u.forward_scratch_id = planner.forward_scratch(u.name + ".scratch", forward);
    if (planner.training) {
      u.backward_scratch_id =
          planner.backward_scratch(u.name + ".dscratch", {1, 1, 1, backward}, DType::kU8);
      if (i > 0 || planner.wants_dx) u.dx_id = planner.input_gradient(u.name + ".dx", x);
    }
    x = u.shape.y();
  }
  return x;
}

void ConvBlock::bind(const Places& places) {
  for (Unit& u : units_) {
    u.y = places(u.y_id);
    u.argmax = places(u.argmax_id);
    u.forward_scratch = places(u.forward_scratch_id);
    u.backward_scratch = places(u.backward_scratch_id);
    u.dx = places(u.dx_id);
  }
}

Convolution& ConvBlock::planned(Unit& unit, int64_t n) {
  const auto found = unit.plans.find(n);
  if (found == unit.plans.end())
    fail("layer {}: no plan for a batch of {}; the pass was planned for others", unit.name, n);
  return *found->second;
}

Tensor ConvBlock::forward(const Tensor& input, const StepInfo&) {
  Tensor x = input;
  const int64_t n = input.shape.n;
  for (Unit& u : units_) {
    u.x = x;
    const Tensor y = u.y.first(n);
    planned(u, n).forward({x, parameters_.value(u.weight), parameters_.value(u.bias), y,
                           u.argmax.data ? u.argmax.first(n) : Tensor{}, u.forward_scratch});
    x = y;
  }
  return x;
}

Tensor ConvBlock::backward(const Tensor& gradient) {
  Tensor dy = gradient;
  const int64_t n = gradient.shape.n;
  for (auto u = units_.rbegin(); u != units_.rend(); ++u) {
    const Tensor dx = u->dx.data ? u->dx.first(n) : Tensor{};
    planned(*u, n).backward({u->x, parameters_.value(u->weight), u->y.first(n),
                             u->argmax.data ? u->argmax.first(n) : Tensor{}, dy, dx,
                             parameters_.gradient(u->weight), parameters_.gradient(u->bias),
                             u->backward_scratch});
    dy = dx;
  }
  return dy;
}

double ConvBlock::forward_flops(int64_t n) const {
  double sum = 0;
  for (const Unit& u : units_) {
    ConvolutionShape at = u.shape;
    at.n = n;
    sum += at.flops();
  }
  return sum;
}

double ConvBlock::backward_flops(int64_t n) const {
  double sum = 0;
  for (const Unit& u : units_) {
    ConvolutionShape at = u.shape;
    at.n = n;
    sum += at.flops() * (u.dx_id >= 0 ? 2 : 1);
  }
  return sum;
}

}  // namespace earshot
