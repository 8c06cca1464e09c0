// The CPU's fused blocks.
#pragma once

#include <memory>

#include "engine/backend.h"

namespace earshot {

/// Null where the CPU has none for this block.
std::unique_ptr<FusedBlock> make_cpu_fused_block(const BlockShape& block);

}  // namespace earshot
