// Magnitudes for the tolerances of minimal filtering (kernels/winograd.h): the algorithm over
// absolute values, transforms too (Higham, "Accuracy and Stability of Numerical Algorithms", 24).
// Cells of a tile share their rounding: an element can be small where its neighbours are not.
#pragma once

#include "tests/reference/reference.h"

namespace earshot::reference {

/// Rounded sums behind one output: of the input channels and the transforms. `tile`: output cells a
/// side.
int64_t winograd_terms(const ConvolutionShape& s, int64_t tile, int64_t sum);

// Arguments are absolute values.
/// As y: of the largest cell of a window.
Values winograd_output_sizes(const ConvolutionShape& s, int64_t tile, const Values& x,
                             const Values& weight, const Values& bias);
/// The same of kernels/line_conv.h.
Values line_output_sizes(const ConvolutionShape& s, int64_t tile, const Values& x,
                         const Values& weight, const Values& bias);
struct WinogradSizes {
  Values dx, dweight;
};
/// Of tiles of 4x4; `gradient` is that in front of the pool and the ReLU.
WinogradSizes winograd_gradient_sizes(const ConvolutionShape& s, const Values& x,
                                      const Values& weight, const Values& gradient);

}  // namespace earshot::reference
