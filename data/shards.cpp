#include "data/shards.h"

#include <algorithm>
#include <numeric>

#include "engine/error.h"

namespace earshot {

std::vector<Shard> cut_into_shards(std::span<const int64_t> sizes, int64_t batch, int64_t room) {
  std::vector<Shard> shards;
  int64_t held = 0;  // bytes of the last shard
  const auto count = static_cast<int64_t>(sizes.size());
  for (int64_t first = 0; first < count; first += batch) {
    const int64_t last = std::min(first + batch, count);
    const int64_t bytes = std::accumulate(sizes.begin() + first, sizes.begin() + last, int64_t{0});
    if (bytes > room)
      fail(
          "the clips of one batch take {:.1f} MB on the device, {:.1f} MB are free for them; use "
          "smaller batches",
          1e-6 * static_cast<double>(bytes), 1e-6 * static_cast<double>(room));
    if (shards.empty() || held + bytes > room) {
      shards.push_back({first, first});
      held = 0;
    }
    held += bytes;
    shards.back().last = last;
  }
  return shards;
}

}  // namespace earshot
