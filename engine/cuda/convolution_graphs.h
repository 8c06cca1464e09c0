// The cuDNN graphs of one convolution: what engine/cuda/convolution.cpp runs and what the cudnn
// tests check without a GPU. Channels last, float32 in memory.
#pragma once

#include <string>

#include "engine/backend.h"
#include "engine/cuda/graph.h"

namespace earshot::cuda {

/// Uids of the buffers.
enum ConvolutionUid : int64_t { kX = 1, kWeight, kBias, kY };

/// y = relu(convolution(x, weight) + bias): kX, kWeight, kBias -> kY [s.unpooled()].
std::vector<Descriptor> forward_graph(const ConvolutionShape& s, DType type);
/// dx = convolution with the flipped weight of dy: kY (holding dy), kWeight -> kX (holding dx).
std::vector<Descriptor> data_gradient_graph(const ConvolutionShape& s, DType type);
/// dweight: kX, kY (holding dy) -> kWeight (holding dweight).
std::vector<Descriptor> weight_gradient_graph(const ConvolutionShape& s, DType type);

/// What an engine may do. A convolution takes at most 256 MB of workspace.
PlanLimits convolution_limits(Precision precision, bool deterministic);

/// The three plans of one convolution. `layer` names errors.
struct ConvolutionPlans {
  ConvolutionPlans(const ConvolutionShape& s, const PlanTarget& target, const PlanLimits& limits,
                   const std::string& layer);
  Plan forward, data_gradient, weight_gradient;
};

}  // namespace earshot::cuda
