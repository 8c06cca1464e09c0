#include "engine/layer.h"

#include <algorithm>

namespace earshot {

Planner::Planner(ArenaPlan& arena, std::vector<int64_t> batches) : arena_(arena) {
  set_batches(std::move(batches));
}

void Planner::set_batches(std::vector<int64_t> batches) {
  batches_ = std::move(batches);
  std::sort(batches_.begin(), batches_.end());
  batches_.erase(std::unique(batches_.begin(), batches_.end()), batches_.end());
  if (batches_.empty() || batches_.front() < 1) fail("a pass needs at least one example a batch");
}

int Planner::output(const std::string& name, const Shape& shape, DType type) {
  last_output_ = arena_.add(name, shape, type, {tick_, training ? backward_tick() : tick_ + 1});
  return last_output_;
}

int Planner::saved(const std::string& name, const Shape& shape, DType type) {
  return arena_.add(name, shape, type, {tick_, training ? backward_tick() : tick_});
}

int Planner::over_input(const Shape& x, DType type) {
  if (training || last_output_ < 0) return -1;
  const ArenaPlan::Entry& input = arena_.entries()[static_cast<size_t>(last_output_)];
  if (!(input.shape == x) || input.type != type || input.lifetime.dies != tick_) return -1;
  arena_.keep_until(last_output_, tick_ + 1);
  return last_output_;
}

int Planner::lasting(const std::string& name, const Shape& shape, DType type) {
  return arena_.add(name, shape, type, {tick_, 2 * kTurn});
}

int Planner::forward_scratch(const std::string& name, int64_t bytes) {
  return arena_.add(name, {1, 1, 1, bytes}, DType::kU8, {tick_, tick_});
}

int Planner::backward_scratch(const std::string& name, const Shape& shape, DType type) {
  return arena_.add(name, shape, type, {backward_tick(), backward_tick()});
}

int Planner::input_gradient(const std::string& name, const Shape& shape, DType type) {
  return arena_.add(name, shape, type, {backward_tick(), backward_tick() + 1});
}

Shape Network::plan(Planner& planner, const Shape& x) {
  Shape shape = x;
  for (const auto& layer : layers_) {
    planner.advance();
    shape = layer->plan(planner, shape);
    if (planner.training) planner.wants_dx = true;
  }
  return shape;
}

void Network::bind(const Places& places) {
  for (const auto& layer : layers_) layer->bind(places);
}

Tensor Network::forward(const Tensor& x, const StepInfo& step) {
  Tensor t = x;
  for (const auto& layer : layers_) {
    t = layer->forward(t, step);
    if (trace_listener) trace_listener->wrote(layer->name(), TracePhase::kForward, t);
  }
  return t;
}

Tensor Network::backward(const Tensor& dy) {
  Tensor t = dy;
  for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
    t = (*layer)->backward(t);
    if (trace_listener) trace_listener->wrote((*layer)->name(), TracePhase::kBackward, t);
  }
  return t;
}

}  // namespace earshot
