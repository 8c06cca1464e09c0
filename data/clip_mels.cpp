#include "data/clip_mels.h"

namespace earshot {

std::vector<ClipMel> compute_log_mels(Backend& backend, const LogMelSettings& settings,
                                      const std::vector<std::span<const int16_t>>& clips) {
  std::vector<ClipMel> mels(clips.size());
  ClipsLogMel batch{{}, settings, {}, nullptr};
  std::vector<size_t> of;  // the clips of the batch: those that are not empty
  for (size_t i = 0; i < clips.size(); ++i) {
    if (clips[i].empty()) continue;
    mels[i].values.resize(mel_frames(static_cast<int64_t>(clips[i].size())) * kMelBands);
    batch.samples.push_back(clips[i]);
    batch.columns.push_back(mels[i].values.data());
    of.push_back(i);
  }
  std::vector<float> floors(of.size());
  batch.floor = floors.data();
  backend.log_mel_clips(batch);
  for (size_t i = 0; i < of.size(); ++i) mels[of[i]].floor = floors[i];
  return mels;
}

}  // namespace earshot
