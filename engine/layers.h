// The layers beside the convolution blocks: batch norm, dense, dropout.
#pragma once

#include "engine/layer.h"

namespace earshot {

struct BatchNormOptions {
  float momentum = 0.99f;
  float epsilon = 1e-3f;
  DType x = DType::kF32, y = DType::kF32;  // what x, dx and y, dy are stored as
};

/// Per channel over batch and space, after each pool and each hidden dense layer (paper 2.1).
class BatchNorm : public Layer {
 public:
  BatchNorm(Backend& backend, Parameters& parameters, std::string name, int64_t channels,
            BatchNormOptions options);
  const std::string& name() const override { return name_; }
  Shape plan(Planner& planner, const Shape& x) override;
  void bind(const Places& places) override;
  Tensor forward(const Tensor& x, const StepInfo& step) override;
  Tensor backward(const Tensor& dy) override;
  /// 5 flops an element forward (x read, y written), 9 backward (x and dy read, dx written).
  std::vector<LayerWork> work(int64_t n) const override;

 private:
  Backend& backend_;
  Parameters& parameters_;
  std::string name_;
  int64_t channels_, features_ = 0;
  BatchNormOptions options_;
  int gamma_, beta_, moving_mean_, moving_variance_;
  int y_id_ = -1, mean_id_ = -1, deviation_id_ = -1, dx_id_ = -1;
  Tensor x_, y_, mean_, deviation_, dx_;
};

/// y = activation(flatten(x) weight + bias); weight [in, out].
class Dense : public Layer {
 public:
  Dense(Backend& backend, Parameters& parameters, std::string name, int64_t in, int64_t out,
        Activation activation);
  const std::string& name() const override { return name_; }
  Shape plan(Planner& planner, const Shape& x) override;
  void bind(const Places& places) override;
  Tensor forward(const Tensor& x, const StepInfo& step) override;
  Tensor backward(const Tensor& dy) override;
  /// 2 n in out flops for the output and for each gradient.
  std::vector<LayerWork> work(int64_t n) const override;

 private:
  Backend& backend_;
  Parameters& parameters_;
  std::string name_;
  int64_t in_, out_;
  Activation activation_;
  int weight_, bias_;
  int y_id_ = -1, dx_id_ = -1;
  Tensor x_, y_, dx_;
};

/// Inverted dropout, in training only.
class DropoutLayer : public Layer {
 public:
  DropoutLayer(Backend& backend, std::string name, float rate, uint32_t index);
  const std::string& name() const override { return name_; }
  Shape plan(Planner& planner, const Shape& x) override;
  void bind(const Places& places) override;
  Tensor forward(const Tensor& x, const StepInfo& step) override;
  Tensor backward(const Tensor& dy) override;
  /// No flops; reads and writes an element.
  std::vector<LayerWork> work(int64_t n) const override;

 private:
  Backend& backend_;
  std::string name_;
  float rate_;
  uint32_t index_;
  StepInfo step_;
  int y_id_ = -1, dx_id_ = -1;
  Tensor y_, dx_;
};

}  // namespace earshot
