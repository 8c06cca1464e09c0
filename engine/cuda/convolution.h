// Convolution + bias + ReLU on cuDNN graphs, max-pool on kernels/pool.cu, the backward of pooled
// convolutions also on kernels/pooled_conv.cu, channels last. Plans are the fastest by measurement
// (plan_cache.h).
#pragma once

#include <memory>

#include "engine/backend.h"
#include "engine/cuda/convolution_graphs.h"
#include "engine/cuda/device.h"

namespace earshot::cuda {

/// Throws Error where cuDNN has no plan. `device` must outlive it.
std::unique_ptr<Convolution> make_convolution(Device& device, PlanChoices& choices,
                                              const ConvolutionRequest& request);

}  // namespace earshot::cuda
