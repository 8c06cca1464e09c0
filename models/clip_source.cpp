#include "models/clip_source.h"

#include <algorithm>

#include "data/features.h"
#include "data/recording.h"

namespace earshot {

ClipSource::ClipSource(const Store& store) : features_(store.index().features) {
  const auto& clips = store.index().clips;
  for (size_t i = 0; i < clips.size() && !samples_; ++i) {
    if (clips[i].samples == 0) continue;
    samples_ = store.samples(i).data();
    columns_ = store.log_mel(i).data();
  }
  for (size_t i = 0; i < clips.size(); ++i) {
    const bool empty = clips[i].samples == 0;
    lengths_.push_back(clips[i].samples);
    frames_.push_back(clips[i].frames);
    sample_offsets_.push_back(empty ? 0 : store.samples(i).data() - samples_);
    mel_offsets_.push_back(empty ? 0 : store.log_mel(i).data() - columns_);
    floors_.push_back(clips[i].mel_floor);
  }
}

void ClipSource::add(std::vector<int16_t> samples) {
  LogMel extractor(log_mel_settings(features_));
  const ClipMel mel = compute_log_mel(extractor, samples);
  lengths_.push_back(static_cast<int64_t>(samples.size()));
  frames_.push_back(mel_frames(lengths_.back()));
  sample_offsets_.push_back(static_cast<int64_t>(own_samples_.size()));
  mel_offsets_.push_back(static_cast<int64_t>(own_columns_.size()));
  floors_.push_back(mel.floor);
  own_samples_.insert(own_samples_.end(), samples.begin(), samples.end());
  own_columns_.insert(own_columns_.end(), mel.values.begin(), mel.values.end());
  samples_ = own_samples_.data();
  columns_ = own_columns_.data();
}

void ClipSource::place_on(Backend& backend) {
  int64_t samples = 0, floats = 0;
  for (size_t i = 0; i < size(); ++i) {
    samples = std::max(samples, sample_offsets_[i] + lengths_[i]);
    floats = std::max(floats, mel_offsets_[i] + frames_[i] * kMelBands);
  }
  const auto place = [&](const auto* from, int64_t count, const char* what) {
    return backend.share(from, count * static_cast<int64_t>(sizeof *from), what);
  };
  const auto clips = static_cast<int64_t>(size());
  placed_ = {place(samples_, samples, "the clips"),
             place(columns_, floats, "the log-mels"),
             place(sample_offsets_.data(), clips, "clip offsets"),
             place(lengths_.data(), clips, "clip lengths"),
             place(mel_offsets_.data(), clips, "log-mel offsets"),
             place(frames_.data(), clips, "log-mel lengths"),
             place(floors_.data(), clips, "log-mel floors")};
}

const int64_t* ClipSource::placed_lengths() const {
  const auto* lengths = static_cast<const int64_t*>(placed_.lengths.data());
  if (!lengths) fail("the clips were not placed on a device");
  return lengths;
}

void ClipSource::gather_wave(Backend& backend, const GatherPlan& plan, const Tensor& wave) const {
  backend.gather_wave(
      plan,
      {static_cast<const int16_t*>(placed_.samples.data()),
       static_cast<const int64_t*>(placed_.sample_offsets.data()), placed_lengths()},
      wave);
}

void ClipSource::gather_mel(Backend& backend, const Config& config, const GatherPlan& plan,
                            const Tensor& wave, const Tensor& mel) const {
  if (config.input.wave_first) return backend.log_mel(wave, log_mel_settings(features_), mel);
  placed_lengths();
  const MelSource source{static_cast<const float*>(placed_.columns.data()),
                         static_cast<const int64_t*>(placed_.mel_offsets.data()),
                         static_cast<const int64_t*>(placed_.frames.data()),
                         static_cast<const float*>(placed_.floors.data()),
                         config.input.spectrogram_padding == InputSettings::Padding::kFloor,
                         native_columns(config.seconds)};
  backend.gather_mel(plan, source, mel);
}

void ClipSource::fill(TaggerPass& pass, const Tagger& tagger, const GatherPlan& plan,
                      Zero zero) const {
  Backend& backend = tagger.backend();
  const int64_t n = plan.examples();
  if (pass.has_wave()) gather_wave(backend, plan, pass.wave(n));
  if (tagger.has_spec())
    gather_mel(backend, tagger.config(), plan, pass.has_wave() ? pass.wave(n) : Tensor{},
               pass.mel(n));
  if (zero == Zero::kAudio && tagger.has_audio()) backend.zero(pass.wave(n));
  if (zero == Zero::kSpectrogram && tagger.has_spec()) backend.zero(pass.mel(n));
}

}  // namespace earshot
