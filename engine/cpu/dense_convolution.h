// Convolution + bias + ReLU + max-pool on oneDNN's dense convolutions, channels last; for pools of
// many cells the backward is our own. Weights are kept as [c_out, kernel_h, kernel_w, c_in] and
// reordered into oneDNN's blocked form on every call: they are small beside the activations.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"

namespace earshot {

inline constexpr int64_t kFloat = sizeof(float);

/// Any shape. `layer` names errors.
std::unique_ptr<Convolution> make_dense_convolution(const ConvolutionShape& shape,
                                                    PooledBackward pooled,
                                                    const std::string& layer);

}  // namespace earshot
