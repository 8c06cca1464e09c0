// The cuDNN graphs of one convolution and the choice of their plans: what
// engine/cuda/convolution.cpp runs and what the cudnn tests check without a GPU. Channels last.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/backend.h"
#include "engine/cuda/graph.h"
#include "engine/cuda/plan_cache.h"

namespace earshot::cuda {

/// Uids of the buffers.
enum ConvolutionUid : int64_t { kX = 1, kWeight, kBias, kY };

// `type`: what all of a graph's tensors are stored as, float32 or bf16; sums are float32.

/// y = relu(convolution(x, weight) + bias): kX, kWeight, kBias -> kY [s.unpooled()].
std::vector<Descriptor> forward_graph(const ConvolutionShape& s, DType type);
/// dx = convolution with the flipped weight of dy: kY (holding dy), kWeight -> kX (holding dx).
std::vector<Descriptor> data_gradient_graph(const ConvolutionShape& s, DType type);
/// dweight: kX, kY (holding dy) -> kWeight (holding dweight).
std::vector<Descriptor> weight_gradient_graph(const ConvolutionShape& s, DType type);

/// What an engine may do. A convolution takes at most 256 MB of workspace.
PlanLimits convolution_limits(const Numerics& numerics);

/// A convolution that wants plans.
struct ConvolutionRequest {
  ConvolutionShape shape;
  ConvolutionUse use;
  Numerics numerics;
  std::string layer;  // names errors

  DType stored() const;
  /// Names a measurement of this convolution: everything that its time depends on.
  std::string key(const char* operation) const;
};

/// A buffer of a graph and its size in bytes.
struct BufferNeed {
  int64_t uid, bytes;
};
/// The milliseconds of one run of a plan; infinity where it fails.
using PlanTrial = std::function<double(const Plan&)>;
/// Prepares such buffers. Empty: no plan is measured, the heuristics' first is taken.
using PlanTrials = std::function<PlanTrial(const std::vector<BufferNeed>&)>;

/// The plans of one convolution; gradients where they are wanted.
struct ConvolutionPlans {
  Plan forward;
  std::optional<Plan> data_gradient, weight_gradient;
};
/// Throws Error naming the layer where cuDNN has no plan within the limits.
ConvolutionPlans plan_convolution(const ConvolutionRequest& request, const PlanTarget& target,
                                  PlanChoices& choices, const PlanTrials& trials);

}  // namespace earshot::cuda
