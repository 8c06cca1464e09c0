// Which blocks kernels/fused_block.h is made for: the first one of the network on the wave.
#pragma once

#include <optional>

#include "engine/backend.h"
#include "kernels/fused_block.h"

namespace earshot {

/// The kernels' shape of a block; nothing where they do not have it.
std::optional<FusedBlockShape> wave_block(const BlockShape& block);

}  // namespace earshot
