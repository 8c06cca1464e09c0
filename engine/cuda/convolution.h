// Convolution + bias + ReLU on cuDNN graphs, max-pool on kernels/pool.cu, channels last.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"
#include "engine/cuda/device.h"

namespace earshot::cuda {

/// `layer` names errors. Throws Error where cuDNN has no plan. `device` must outlive it.
std::unique_ptr<Convolution> make_convolution(Device& device, const ConvolutionShape& shape,
                                              Precision precision, const std::string& layer);

}  // namespace earshot::cuda
