// A block of the paper's tables: convolutions with bias and ReLU, the last one followed by the
// block's max-pool. It is one layer because that is where the speed is: it is composed of the
// backend's convolutions or, where the backend has one, a fused block that stores nothing between
// them. In the environment, EARSHOT_BLOCKS=composed keeps to the former and EARSHOT_BLOCKS=library
// to the library's dense convolutions alone, to compare them.
#pragma once

#include <map>

#include "engine/layer.h"

namespace earshot {

struct BlockRow {
  struct Convolution {
    int64_t kernel_h, kernel_w, channels;
  };
  std::vector<Convolution> convolutions;
  int64_t pool_h, pool_w;
};

class ConvBlock : public Layer {
 public:
  ConvBlock(Backend& backend, Parameters& parameters, std::string name, const BlockRow& row,
            int64_t c_in);
  const std::string& name() const override { return name_; }
  Shape plan(Planner& planner, const Shape& x) override;
  void bind(const Places& places) override;
  Tensor forward(const Tensor& x, const StepInfo& step) override;
  Tensor backward(const Tensor& dy) override;
  std::vector<LayerWork> work(int64_t n) const override;

 private:
  struct Unit {  // one convolution of the block
    std::string name;
    int weight, bias;                                       // parameters
    ConvolutionShape shape{};                               // at the largest batch
    std::map<int64_t, std::unique_ptr<Convolution>> plans;  // by batch size
    int y_id = -1, argmax_id = -1, forward_scratch_id = -1, backward_scratch_id = -1, dx_id = -1;
    Tensor x, y, argmax, forward_scratch, backward_scratch, dx;
  };
  void set_shapes(const Shape& input);
  bool plan_fused(Planner& planner);
  void plan_composed(Planner& planner);
  Tensor forward_composed(const Tensor& x);
  Tensor forward_fused(const Tensor& x);
  Tensor backward_fused(const Tensor& dy);
  /// The plan for a batch of n, of all plans for batches. Throws Error naming `layer`.
  template <typename Plans>
  static auto& planned(Plans& plans, int64_t n, const std::string& layer);

  Backend& backend_;
  Parameters& parameters_;
  std::string name_;
  BlockRow row_;
  std::vector<Unit> units_;
  // Where it is not empty the block is fused: then x and dx lie in the first unit, all else in the
  // last. By batch size.
  std::map<int64_t, std::unique_ptr<FusedBlock>> fused_;
  bool wants_dx_ = false;
};

}  // namespace earshot
