// Convolution + bias + ReLU + max-pool on oneDNN, channels last. Weights are kept as
// [c_out, kernel_h, kernel_w, c_in] and reordered into oneDNN's blocked form on every call: they
// are small beside the activations.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"

namespace earshot {

/// `layer` names errors. Throws Error where oneDNN has no optimised implementation.
std::unique_ptr<Convolution> make_cpu_convolution(const ConvolutionShape& shape,
                                                  const std::string& layer);

}  // namespace earshot
