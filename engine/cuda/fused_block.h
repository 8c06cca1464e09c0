// Blocks that kernels/fused_block.h has a kernel for.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"
#include "engine/cuda/device.h"

namespace earshot::cuda {

/// x, weights and biases are float32, y and dy stored as activations are.
/// Null unless it is a wave_block (engine/wave_block.h). `device` must outlive it.
std::unique_ptr<FusedBlock> make_fused_block(Device& device, const BlockShape& shape,
                                             Precision precision, const std::string& layer);

}  // namespace earshot::cuda
