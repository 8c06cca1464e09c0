// Convolution of one input channel + bias + ReLU, the first of both networks, and the gradient of
// its weight. Each of its few products meets a whole output: what bounds it is the memory of y, so
// it reads and writes that once and keeps all else in L1.
#pragma once

#include <cstdint>

#include "kernels/pooled_conv.h"
#include "kernels/simd.h"

namespace earshot {

/// One input channel, kernel 4x4 or 1x11, no pool, output channels in multiples of 32.
bool mono_conv_fits(const PooledConvShape& s);

// Floats of `scratch`.
int64_t mono_conv_forward_scratch(const PooledConvShape& s);
int64_t mono_conv_weight_scratch(const PooledConvShape& s);

void mono_conv_forward(const PooledConvShape& s, const PooledConvForward& t, float* scratch,
                       Simd simd = best_simd());
/// dweight and dbias; the bits do not depend on the number of threads.
void mono_conv_weight_gradient(const PooledConvShape& s, const PooledConvBackward& t,
                               float* scratch, Simd simd = best_simd());

}  // namespace earshot
