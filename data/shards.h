// A set of clips that does not fit on the device at once is trained on in shards: runs of the
// epoch's shuffled order, so that an epoch still sees every clip once and every shard is a fair
// sample of the set.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace earshot {

/// Positions [first, last) of an order.
struct Shard {
  int64_t first = 0, last = 0;
  bool operator==(const Shard&) const = default;
};

/// Cuts an order whose clips have `sizes` bytes, in that order, into shards of at most `room`
/// bytes, each as long as it can be. All but the last hold whole batches of `batch` clips. Throws
/// Error where not even a batch fits.
std::vector<Shard> cut_into_shards(std::span<const int64_t> sizes, int64_t batch, int64_t room);

}  // namespace earshot
