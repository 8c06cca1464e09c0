// The CPU's convolutions: of the forms that can compute a shape, the fastest one measured.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"

namespace earshot {

/// `layer` names errors.
std::unique_ptr<Convolution> make_cpu_convolution(const ConvolutionShape& shape,
                                                  const ConvolutionUse& use,
                                                  const std::string& layer);

}  // namespace earshot
