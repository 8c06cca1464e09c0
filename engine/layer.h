// A layer plans (shapes in, shapes and named bytes out), runs forward, runs backward: written out,
// no autograd. Parameters belong to engine/parameters.h and outlive the layer; a training pass and
// an inference pass over the same parameters are two networks of layers with plans of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/backend.h"
#include "engine/parameters.h"
#include "engine/trace.h"
#include "engine/work.h"

namespace earshot {

enum class Mode {
  kTrain,        // batch statistics, moving averages updated, dropout on
  kInference,    // moving averages
  kFrozenBatch,  // batch statistics, nothing updated
};

struct StepInfo {
  Mode mode = Mode::kInference;
  uint64_t seed = 0;  // of dropout
  /// On the device, because it changes from step to step; only kTrain reads it.
  const StepScalars* scalars = nullptr;
};

/// Collects the tensors of one pass with their lifetimes. Layers take their forward ticks in
/// order; their backward ticks mirror them.
/// What computes a block of convolutions (engine/conv_block.h).
enum class BlockForm { kFused, kComposed, kLibrary };
/// EARSHOT_BLOCKS in the environment; kFused without it.
BlockForm block_form();

class Planner {
 public:
  /// `batches`: every batch size that will run, for library plans; the largest sizes the tensors.
  Planner(ArenaPlan& arena, std::vector<int64_t> batches);

  /// The same for the layers planned from here on.
  void set_batches(std::vector<int64_t> batches);
  int64_t max_batch() const { return batches_.back(); }
  const std::vector<int64_t>& batches() const { return batches_; }  // ascending
  /// Whether the layers planned from here on will run backward.
  bool training = false;
  /// Of the blocks planned from here on.
  BlockForm blocks = block_form();
  /// Whether the next layer must give a gradient for its input.
  bool wants_dx = false;

  /// Moves to the next layer.
  void advance() { ++tick_; }
  /// Output of this layer: until its own backward when training, else until the next layer is done.
  int output(const std::string& name, const Shape& shape, DType type = DType::kF32);
  /// What this layer saves for its own backward; without one, until the layer is done.
  int saved(const std::string& name, const Shape& shape, DType type = DType::kF32);
  /// The output of the layer before, for this layer to write its own over it. -1 where backward
  /// will need it, or where it is not of that shape and type.
  int over_input(const Shape& x, DType type);
  /// Alive from now to the end of the pass whatever the mode (inputs of later passes).
  int lasting(const std::string& name, const Shape& shape, DType type = DType::kF32);
  /// Scratch of this layer's forward / backward.
  int forward_scratch(const std::string& name, int64_t bytes);
  int backward_scratch(const std::string& name, const Shape& shape, DType type = DType::kF32);
  /// Gradient of this layer's input: until the layer below has used it.
  int input_gradient(const std::string& name, const Shape& shape, DType type = DType::kF32);

 private:
  int backward_tick() const { return 2 * kTurn - tick_; }
  static constexpr int kTurn = 1000;  // forward ticks below, backward ticks above
  ArenaPlan& arena_;
  std::vector<int64_t> batches_;
  int tick_ = 0;
  int last_output_ = -1;
};

/// Where an arena's tensors lie once the memory exists.
struct Places {
  const ArenaPlan& plan;
  void* base;
  Tensor operator()(int id) const { return id < 0 ? Tensor{} : plan.at(id, base); }
};

class Layer {
 public:
  virtual ~Layer() = default;
  virtual const std::string& name() const = 0;
  /// `x` is the input's shape at the largest batch; returns the output's.
  virtual Shape plan(Planner& planner, const Shape& x) = 0;
  virtual void bind(const Places& places) = 0;
  /// x holds n <= planned examples; returns y, in this layer's memory.
  virtual Tensor forward(const Tensor& x, const StepInfo& step) = 0;
  /// Takes dy (may overwrite it), writes parameter gradients, returns dx (no data where unwanted).
  virtual Tensor backward(const Tensor& dy) = 0;
  /// Counted work over n examples: one entry, or one for each convolution of a block.
  virtual std::vector<LayerWork> work(int64_t n) const = 0;
};

/// Layers in a row.
class Network {
 public:
  void add(std::unique_ptr<Layer> layer) { layers_.push_back(std::move(layer)); }
  Shape plan(Planner& planner, const Shape& x);
  void bind(const Places& places);
  Tensor forward(const Tensor& x, const StepInfo& step);
  /// Returns the gradient of the network's input, without data where it was not wanted.
  Tensor backward(const Tensor& dy);
  const std::vector<std::unique_ptr<Layer>>& layers() const { return layers_; }

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace earshot
