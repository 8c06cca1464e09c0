// Clips as the batch kernels read them: from a memory-mapped store, or made on the spot.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
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

  /// Where the config says that clips, not windows, are resized in time (input.resize): does so,
  /// on the host. Comes before place_on() and stream_on().
  void resize_clips(const Config& config);

  size_t size() const { return lengths_.size(); }
  const std::vector<int64_t>& lengths() const { return lengths_; }  // samples

  /// What of a clip is read: the raw wave, the cached log-mel.
  struct Parts {
    bool wave = true, log_mel = true;
  };
  /// Bytes that a clip takes on a device; of all clips.
  int64_t bytes(size_t clip, Parts parts) const;
  int64_t bytes() const;

  /// Puts the clips where `backend` reads them (which then does the filling): on a GPU a copy of
  /// all of them. No clip may be added afterwards.
  void place_on(Backend& backend);
  /// Takes `room` bytes of the device for the clips that load() will bring.
  void stream_on(Backend& backend, int64_t room, Parts parts);
  /// Enqueues the copy of these clips in place of those that were there.
  void load(std::span<const int64_t> clips);
  /// Gives back what the source has on a device.
  void release();
  bool placed() const { return on_device_.lengths != nullptr; }
  bool streamed() const { return room_ > 0; }

  /// Writes the pass's inputs of n examples from the plan that was uploaded to it: wave, log-mel or
  /// both, as its tagger wants them. `zero` names an input to feed as zeros (the paper's Figure 2).
  /// Can be recorded.
  enum class Zero { kNone, kAudio, kSpectrogram };
  void assemble(const TaggerPass& pass, const Tagger& tagger, int64_t n,
                Zero zero = Zero::kNone) const;

  /// The two inputs alone, from a plan on the device: wave [n, 1, t, 1]; log-mel [n, 128, w, 1],
  /// from `wave` where the config says that the wave comes first.
  void gather_wave(Backend& backend, const GatherPlanView& plan, const Tensor& wave) const;
  void gather_mel(Backend& backend, const Config& config, const GatherPlanView& plan,
                  const Tensor& wave, const Tensor& mel) const;
  /// Brings a plan to the device, where it stays until the next call.
  GatherPlanView upload(Backend& backend, const GatherPlan& plan) const;

 private:
  template <typename T>
  T* share(const T* from, int64_t count, const char* what);
  void share_table();

  FeatureSettings features_;
  std::vector<int64_t> lengths_, sample_offsets_, frames_, mel_offsets_;
  std::vector<float> floors_;
  const int16_t* samples_ = nullptr;
  const float* columns_ = nullptr;
  ColumnGrid grid_;  // of the columns
  std::vector<int16_t> own_samples_;
  std::vector<float> own_columns_;
  Backend* backend_ = nullptr;
  std::vector<DeviceMemory> blocks_;
  struct OnDevice {
    const int16_t* samples = nullptr;
    const float* columns = nullptr;
    int64_t *sample_offsets = nullptr, *lengths = nullptr, *mel_offsets = nullptr,
            *frames = nullptr;
    float* floors = nullptr;
  } on_device_;
  int64_t room_ = 0;  // bytes of the streamed clips' block; 0: all clips are there
  Parts parts_;
  mutable DeviceMemory plan_;  // room for upload(): grows
};

}  // namespace earshot
