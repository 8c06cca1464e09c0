// The clips of a phase on the device: all of them, or shard by shard.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "engine/error.h"
#include "models/phase.h"

namespace earshot {
namespace {

/// Left free beside clips and tensors: recorded steps, library workspaces.
int64_t kept_free(int64_t free) { return std::min(int64_t{512} << 20, free / 8); }

}  // namespace

ClipSource::Parts Phase::parts() const {
  const bool cached = tagger_.has_spec() && !config_.input.wave_first;
  return {.wave = tagger_.has_audio() || config_.input.wave_first, .log_mel = cached};
}

void Phase::place_clips() {
  Backend& backend = request_.backend;
  const bool was_streamed = state_.streamed_bytes > 0 && backend.has_own_memory();
  if (source_.placed() && !was_streamed) return;
  source_.release();
  const int64_t free = backend.free_bytes(), room = free - kept_free(free);
  if (!was_streamed && (!backend.has_own_memory() || source_.bytes() <= room)) {
    source_.place_on(backend);
    return;
  }
  if (state_.step > 0 && !was_streamed)
    spdlog::warn(
        "{} fold {} began with all clips on the device; from here on they are streamed, "
        "which draws other partners",
        to_string(kind_), fold_);
  if (!was_streamed) state_.streamed_bytes = room;
  if (state_.streamed_bytes > room)
    fail_device(
        "{} fold {} was begun with {:.1f} MB of clips on the device at a time, {:.1f} MB are free; "
        "free memory on {}, or begin the phase anew",
        to_string(kind_), fold_, 1e-6 * static_cast<double>(state_.streamed_bytes),
        1e-6 * static_cast<double>(room), backend.name());
  source_.stream_on(backend, state_.streamed_bytes, parts());
  validation_shards_ = shards_of(validation_, validation_order_);
  begin_epoch();
  spdlog::info(
      "{} fold {}: the clips ({:.1f} GB) do not fit on {} at once; {:.1f} GB at a time are "
      "streamed, {} shards an epoch",
      to_string(kind_), fold_, 1e-9 * static_cast<double>(source_.bytes()), backend.name(),
      1e-9 * static_cast<double>(state_.streamed_bytes),
      shards_.size() + validation_shards_.size());
}

std::vector<Shard> Phase::shards_of(const ClipSet& set, std::span<const int64_t> order) const {
  if (!source_.streamed()) return {};
  std::vector<int64_t> sizes;
  for (const int64_t i : order)
    sizes.push_back(source_.bytes(static_cast<size_t>(set.clips[i]), parts()));
  return cut_into_shards(sizes, config_.batch, state_.streamed_bytes);
}

void Phase::load_clips(const ClipSet& set, std::span<const int64_t> order,
                       const std::vector<Shard>& shards, int64_t first) {
  for (const Shard& shard : shards) {
    if (first < shard.first || first >= shard.last) continue;
    const Loaded wanted{&set, order_epoch_, shard.first};
    if (wanted == loaded_) return;
    std::vector<int64_t> clips;
    for (int64_t i = shard.first; i < shard.last; ++i) clips.push_back(set.clips[order[i]]);
    source_.load(clips);
    loaded_ = wanted;
    return;
  }
}

}  // namespace earshot
