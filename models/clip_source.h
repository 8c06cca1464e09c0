// Clips as the batch kernels read them: from a memory-mapped store, or made on the spot.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/store.h"
#include "models/config.h"
#include "models/tagger.h"

namespace earshot {

class ClipSource {
 public:
  /// All clips of a store, in its order; the store must outlive the source.
  explicit ClipSource(const Store& store);
  explicit ClipSource(const FeatureSettings& features) : features_(features) {}
  /// Adds a clip of int16 samples; computes its log-mel.
  void add(std::vector<int16_t> samples);

  size_t size() const { return lengths_.size(); }
  const std::vector<int64_t>& lengths() const { return lengths_; }  // samples

  /// Puts the clips where `backend` reads them (which then does the filling): on a GPU a copy of
  /// all of them. No clip may be added afterwards.
  void place_on(Backend& backend);

  /// Writes the pass's inputs for `plan`: wave, log-mel or both, as its tagger wants them.
  /// `zero` names an input to feed as zeros (the paper's Figure 2).
  enum class Zero { kNone, kAudio, kSpectrogram };
  void fill(TaggerPass& pass, const Tagger& tagger, const GatherPlan& plan,
            Zero zero = Zero::kNone) const;

  /// The two inputs alone: wave [n, 1, t, 1]; log-mel [n, 128, w, 1], from `wave` where the config
  /// says that the wave comes first.
  void gather_wave(Backend& backend, const GatherPlan& plan, const Tensor& wave) const;
  void gather_mel(Backend& backend, const Config& config, const GatherPlan& plan,
                  const Tensor& wave, const Tensor& mel) const;

 private:
  const int64_t* placed_lengths() const;
  FeatureSettings features_;
  std::vector<int64_t> lengths_, sample_offsets_, frames_, mel_offsets_;
  std::vector<float> floors_;
  const int16_t* samples_ = nullptr;
  const float* columns_ = nullptr;
  std::vector<int16_t> own_samples_;
  std::vector<float> own_columns_;
  struct Placed {
    DeviceMemory samples, columns, sample_offsets, lengths, mel_offsets, frames, floors;
  } placed_;
};

}  // namespace earshot
