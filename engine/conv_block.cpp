#include "engine/conv_block.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace earshot {
namespace {

Gradients gradients(const Planner& planner, bool gives_dx) {
  if (!planner.training) return Gradients::kNone;
  return gives_dx ? Gradients::kWeightAndInput : Gradients::kWeight;
}

ConvolutionShape at_batch(ConvolutionShape shape, int64_t n) {
  shape.n = n;
  return shape;
}

void add(Work& sum, const Work& part) {
  sum.flops += part.flops;
  sum.bytes += part.bytes;
  sum.dense_flops += part.dense_flops;
}

Tensor first_of(const Tensor& t, int64_t n) { return t.data ? t.first(n) : Tensor{}; }

}  // namespace

BlockForm block_form() {
  const char* text = std::getenv("EARSHOT_BLOCKS");
  const std::string_view form = text ? text : "fused";
  if (form == "fused") return BlockForm::kFused;
  if (form == "composed") return BlockForm::kComposed;
  if (form == "library") return BlockForm::kLibrary;
  fail_usage("EARSHOT_BLOCKS={}: set it to fused, composed or library, or leave it unset", form);
}

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
  set_shapes(input);
  wants_dx_ = planner.wants_dx;
  if (!plan_fused(planner)) plan_composed(planner);
  return units_.back().shape.y();
}

void ConvBlock::set_shapes(const Shape& input) {
  Shape x = input;
  for (size_t i = 0; i < units_.size(); ++i) {
    Unit& u = units_[i];
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
    x = u.shape.y();
  }
}

bool ConvBlock::plan_fused(Planner& planner) {
  if (planner.blocks != BlockForm::kFused) return false;
  int64_t forward = 0, backward = 0;
  for (const int64_t n : planner.batches()) {
    BlockShape shape{{}, gradients(planner, wants_dx_)};
    for (const Unit& u : units_) shape.convolutions.push_back(at_batch(u.shape, n));
    auto& plan = fused_[n] = backend_.fused_block(shape, name_);
    if (!plan) {
      fused_.clear();
      return false;
    }
    forward = std::max(forward, plan->forward_scratch());
    backward = std::max(backward, plan->backward_scratch());
  }
  Unit& last = units_.back();
  last.y_id = planner.output(last.name + ".y", last.shape.y(), backend_.activation_type());
  if (last.shape.pooled() && planner.training)
    last.argmax_id = planner.saved(last.name + ".argmax", last.shape.y(), DType::kU8);
  last.forward_scratch_id = planner.forward_scratch(name_ + ".scratch", forward);
  if (!planner.training) return true;
  last.backward_scratch_id =
      planner.backward_scratch(name_ + ".dscratch", {1, 1, 1, backward}, DType::kU8);
  Unit& first = units_.front();
  if (wants_dx_) first.dx_id = planner.input_gradient(first.name + ".dx", first.shape.x());
  return true;
}

void ConvBlock::plan_composed(Planner& planner) {
  const DType stored = backend_.activation_type();
  const PooledBackward pooled =
      planner.blocks == BlockForm::kLibrary ? PooledBackward::kDense : PooledBackward::kFastest;
  for (size_t i = 0; i < units_.size(); ++i) {
    Unit& u = units_[i];
    if (i > 0) planner.advance();
    const bool gives_dx = i > 0 || wants_dx_;
    int64_t forward = 0, backward = 0;
    for (const int64_t n : planner.batches()) {
      auto& plan = u.plans[n] = backend_.convolution(
          at_batch(u.shape, n), {gradients(planner, gives_dx), pooled}, u.name);
      forward = std::max(forward, plan->forward_scratch());
      backward = std::max(backward, plan->backward_scratch());
    }
    u.y_id = planner.output(u.name + ".y", u.shape.y(), stored);
    if (u.shape.pooled() && planner.training)
      u.argmax_id = planner.saved(u.name + ".argmax", u.shape.y(), DType::kU8);
    u.forward_scratch_id = planner.forward_scratch(u.name + ".scratch", forward);
    if (!planner.training) continue;
    u.backward_scratch_id =
        planner.backward_scratch(u.name + ".dscratch", {1, 1, 1, backward}, DType::kU8);
    if (gives_dx) u.dx_id = planner.input_gradient(u.name + ".dx", u.shape.x(), stored);
  }
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

template <typename Plans>
auto& ConvBlock::planned(Plans& plans, int64_t n, const std::string& layer) {
  const auto found = plans.find(n);
  if (found == plans.end())
    fail("layer {}: no plan for a batch of {}; the pass was planned for others", layer, n);
  return *found->second;
}

Tensor ConvBlock::forward(const Tensor& input, const StepInfo&) {
  const Tensor y = fused_.empty() ? forward_composed(input) : forward_fused(input);
  const Tensor argmax = first_of(units_.back().argmax, input.shape.n);
  if (trace_listener && argmax.data) trace_listener->wrote(name_, TracePhase::kForward, argmax);
  return y;
}

Tensor ConvBlock::forward_composed(const Tensor& input) {
  const int64_t n = input.shape.n;
  Tensor x = input;
  for (Unit& u : units_) {
    const TraceRange range(u.name, TracePhase::kForward);
    u.x = x;
    const Tensor y = u.y.first(n);
    planned(u.plans, n, u.name)
        .forward({x, parameters_.factor(u.weight), parameters_.factor(u.bias), y,
                  first_of(u.argmax, n), u.forward_scratch});
    x = y;
  }
  return x;
}

Tensor ConvBlock::forward_fused(const Tensor& x) {
  const TraceRange range(name_, TracePhase::kForward);
  const int64_t n = x.shape.n;
  Unit& last = units_.back();
  BlockForward t{x, {}, last.y.first(n), first_of(last.argmax, n), last.forward_scratch};
  for (const Unit& u : units_)
    t.layers.push_back({parameters_.value(u.weight), parameters_.value(u.bias)});
  planned(fused_, n, name_).forward(t);
  units_.front().x = x;
  return t.y;
}

Tensor ConvBlock::backward(const Tensor& gradient) {
  if (!fused_.empty()) return backward_fused(gradient);
  Tensor dy = gradient;
  const int64_t n = gradient.shape.n;
  for (auto u = units_.rbegin(); u != units_.rend(); ++u) {
    const TraceRange range(u->name, TracePhase::kBackward);
    const Tensor dx = first_of(u->dx, n);
    planned(u->plans, n, u->name)
        .backward({u->x, parameters_.factor(u->weight), u->y.first(n), first_of(u->argmax, n), dy,
                   dx, parameters_.gradient(u->weight), parameters_.gradient(u->bias),
                   u->backward_scratch});
    dy = dx;
  }
  return dy;
}

Tensor ConvBlock::backward_fused(const Tensor& dy) {
  const TraceRange range(name_, TracePhase::kBackward);
  const int64_t n = dy.shape.n;
  const Unit &first = units_.front(), &last = units_.back();
  BlockBackward t{first.x,
                  {},
                  last.y.first(n),
                  first_of(last.argmax, n),
                  dy,
                  first_of(first.dx, n),
                  last.backward_scratch};
  for (const Unit& u : units_)
    t.layers.push_back({parameters_.value(u.weight), parameters_.value(u.bias),
                        parameters_.gradient(u.weight), parameters_.gradient(u.bias)});
  planned(fused_, n, name_).backward(t);
  return t.dx;
}

/// Forward reads x and the weights and writes y with its argmax. Backward reads x, y, argmax, dy
/// and the weights, and writes dx and the weights' gradient.
std::vector<LayerWork> ConvBlock::work(int64_t n) const {
  std::vector<LayerWork> rows;
  for (const Unit& u : units_) {
    const ConvolutionShape s = at_batch(u.shape, n);
    const double x = 4.0 * double(s.x().count()), weight = 4.0 * double(s.weight().count()),
                 y = (u.argmax_id >= 0 ? 5.0 : 4.0) * double(s.y().count()),
                 dy = 4.0 * double(s.y().count());
    const bool gives_dx = &u != &units_.front() || wants_dx_;
    const double dense = s.flops() * (gives_dx ? 2 : 1);
    rows.push_back({u.name,
                    {s.flops(), x + weight + y, s.flops()},
                    {dense / double(s.pool_h * s.pool_w),
                     x + y + dy + weight * (gives_dx ? 2 : 1) + (gives_dx ? x : 0), dense}});
  }
  if (fused_.empty()) return rows;
  LayerWork block{name_, {}, {}};  // what lies between its convolutions need not reach memory
  for (size_t i = 0; i < rows.size(); ++i) {
    add(block.forward, rows[i].forward);
    add(block.backward, rows[i].backward);
    if (i == 0) continue;
    const double between = 4.0 * double(at_batch(units_[i].shape, n).x().count());
    block.forward.bytes -= 2 * between;   // y of one, x of the next
    block.backward.bytes -= 4 * between;  // y and dy of one, x and dx of the next
  }
  return {block};
}

}  // namespace earshot
