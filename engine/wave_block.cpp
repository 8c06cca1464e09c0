#include "engine/wave_block.h"

namespace earshot {

std::optional<FusedBlockShape> wave_block(const BlockShape& block) {
  if (block.gradients == Gradients::kWeightAndInput || block.convolutions.size() != 2)
    return std::nullopt;
  const ConvolutionShape &first = block.convolutions[0], &second = block.convolutions[1];
  for (const ConvolutionShape& s : {first, second})
    if (s.h != 1 || s.kernel_h != 1 || s.kernel_w != kFusedTaps || s.pool_h != 1)
      return std::nullopt;
  if (first.c_in != 1 || first.pooled()) return std::nullopt;
  const FusedBlockShape shape{second.n, second.w, second.c_in, second.c_out, second.pool_w};
  return shape.fits() ? std::optional(shape) : std::nullopt;
}

}  // namespace earshot
