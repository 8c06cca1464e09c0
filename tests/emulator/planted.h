// Kernels with one fault each, and their sound twins.
#pragma once

#include <cstdint>

namespace planted {

enum class Fault {
  kNone,
  kMissingBarrier,       // between two phases that share memory
  kEarlyOverwrite,       // of shared memory that others may still load
  kMissingWarpBarrier,   // the same within a warp
  kStoreBehindTheEnd,    // one cell
  kStoreBeforeTheStart,  // one cell
  kFarStore,             // far outside every buffer
  kStoreToInput,         //
  kCellNeverStored,      // the last one
  kDivergentBarrier,     // half of the threads wait elsewhere
  kBarrierAfterReturn,   // a thread returned before the barrier
  kUndefinedShared,      // a load of shared memory that nobody stored
  kUndefinedOutput,      // a load of the output before it was stored
  kTwoBlocksStore,       // the same cell
  kMissingLane,          // of a shuffle's mask
  kMisaligned,           // access of four floats
  kUnwaitedCopy,         // an asynchronous copy is used before it has arrived
  kTooManyThreads,       // for a block
};

/// y[i] = sum of x over i's block of 64, for i < 256. x [256], y [256], maximum [1].
void block_sums(Fault fault, const float* x, float* y, int* maximum);

}  // namespace planted
