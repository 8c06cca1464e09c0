// The CPU's convolutions: of the forms that can compute a shape, the fastest one measured.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"
#include "kernels/pooled_conv.h"

namespace earshot {

/// As the kernels know it.
inline PooledConvShape kernel_shape(const ConvolutionShape& s) {
  return {s.n, s.h, s.w, s.c_in, s.c_out, s.kernel_h, s.kernel_w, s.pool_h, s.pool_w};
}

/// `layer` names errors.
std::unique_ptr<Convolution> make_cpu_convolution(const ConvolutionShape& shape,
                                                  const ConvolutionUse& use,
                                                  const std::string& layer);

}  // namespace earshot
