#include "models/clip_source.h"

#include <algorithm>
#include <cstring>

#include "data/features.h"
#include "data/recording.h"

namespace earshot {
namespace {

/// Clips on a device begin on cache lines.
int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

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

void ClipSource::resize_clips(const Config& config) {
  if (config.input.resize != InputSettings::Resize::kClip) return;
  const int64_t native = native_columns(config.seconds);
  const int64_t w = spec_table(config.seconds).input.w;
  std::vector<float> resized;
  for (size_t i = 0; i < size(); ++i) {
    const float* from = columns_ + mel_offsets_[i];
    const int64_t frames = frames_[i];
    const int64_t columns =
        frames == 0 ? 0 : std::max<int64_t>(1, (frames * w + native / 2) / native);
    mel_offsets_[i] = static_cast<int64_t>(resized.size());
    frames_[i] = columns;
    resized.resize(resized.size() + static_cast<size_t>(columns * kMelBands));
    stretch_columns(from, frames, static_cast<double>(native) / static_cast<double>(w), columns,
                    resized.data() + mel_offsets_[i]);
  }
  own_columns_ = std::move(resized);
  columns_ = own_columns_.data();
  grid_ = {w, native};
}

int64_t ClipSource::bytes(size_t clip, Parts parts) const {
  const auto part = [](bool wanted, int64_t count, size_t size) {
    return wanted ? aligned(count * static_cast<int64_t>(size)) : 0;
  };
  return part(parts.wave, lengths_[clip], sizeof(int16_t)) +
         part(parts.log_mel, frames_[clip] * kMelBands, sizeof(float));
}

int64_t ClipSource::bytes() const {
  int64_t sum = 0;
  for (size_t i = 0; i < size(); ++i) sum += bytes(i, {});
  return sum;
}

template <typename T>
T* ClipSource::share(const T* from, int64_t count, const char* what) {
  blocks_.push_back(backend_->share(from, count * static_cast<int64_t>(sizeof(T)), what));
  return static_cast<T*>(blocks_.back().data());
}

void ClipSource::share_table() {
  const auto clips = static_cast<int64_t>(size());
  on_device_.sample_offsets = share(sample_offsets_.data(), clips, "clip offsets");
  on_device_.lengths = share(lengths_.data(), clips, "clip lengths");
  on_device_.mel_offsets = share(mel_offsets_.data(), clips, "log-mel offsets");
  on_device_.frames = share(frames_.data(), clips, "log-mel lengths");
  on_device_.floors = share(floors_.data(), clips, "log-mel floors");
}

void ClipSource::place_on(Backend& backend) {
  release();
  backend_ = &backend;
  int64_t samples = 0, floats = 0;
  for (size_t i = 0; i < size(); ++i) {
    samples = std::max(samples, sample_offsets_[i] + lengths_[i]);
    floats = std::max(floats, mel_offsets_[i] + frames_[i] * kMelBands);
  }
  on_device_.samples = share(samples_, samples, "the clips");
  on_device_.columns = share(columns_, floats, "the log-mels");
  share_table();
}

void ClipSource::stream_on(Backend& backend, int64_t room, Parts parts) {
  release();
  if (!backend.has_own_memory()) fail("{} reads all clips where they are", backend.name());
  backend_ = &backend;
  room_ = room;
  parts_ = parts;
  share_table();
  blocks_.push_back(backend.allocate(room, "streamed clips"));
  on_device_.samples = static_cast<const int16_t*>(blocks_.back().data());
  on_device_.columns = static_cast<const float*>(blocks_.back().data());
}

void ClipSource::load(std::span<const int64_t> clips) {
  char* const block = static_cast<char*>(blocks_.back().data());
  std::vector<int64_t> sample_offsets(size(), 0), mel_offsets(size(), 0);
  int64_t end = 0;
  const auto bring = [&](const auto* from, int64_t count, int64_t& offset) {
    const int64_t size = static_cast<int64_t>(sizeof *from), bytes = count * size;
    if (end + bytes > room_) fail("streamed clips do not fit in their {} bytes", room_);
    offset = end / size;
    if (bytes > 0)
      backend_->copy_to_device({block + end, {1, 1, 1, bytes}, DType::kU8, "streamed clips"}, from);
    end += aligned(bytes);
  };
  for (const int64_t i : clips) {
    if (parts_.wave) bring(samples_ + sample_offsets_[i], lengths_[i], sample_offsets[i]);
    if (parts_.log_mel) bring(columns_ + mel_offsets_[i], frames_[i] * kMelBands, mel_offsets[i]);
  }
  const Shape table{1, 1, 1, static_cast<int64_t>(size() * sizeof(int64_t))};
  backend_->copy_to_device({on_device_.sample_offsets, table, DType::kU8, "clip offsets"},
                           sample_offsets.data());
  backend_->copy_to_device({on_device_.mel_offsets, table, DType::kU8, "log-mel offsets"},
                           mel_offsets.data());
}

void ClipSource::release() {
  if (backend_) backend_->synchronize();
  blocks_.clear();
  on_device_ = {};
  room_ = 0;
}

GatherPlanView ClipSource::upload(Backend& backend, const GatherPlan& plan) const {
  const auto size = [](const auto& v) { return v.size() * sizeof(v[0]); };
  const size_t positions = size(plan.placements);  // both of 8-byte elements; int32 at the end
  const size_t first = positions + size(plan.positions);
  std::vector<std::byte> packed(first + size(plan.first_placement));
  std::memcpy(packed.data(), plan.placements.data(), positions);
  std::memcpy(packed.data() + positions, plan.positions.data(), first - positions);
  std::memcpy(packed.data() + first, plan.first_placement.data(), packed.size() - first);
  const auto bytes = static_cast<int64_t>(packed.size());
  if (plan_.bytes() < bytes) plan_ = backend.allocate(bytes, "a plan");
  char* const block = static_cast<char*>(plan_.data());
  backend.copy_to_device({block, {1, 1, 1, bytes}, DType::kU8, "plan"}, packed.data());
  return {reinterpret_cast<const Placement*>(block),
          reinterpret_cast<const int32_t*>(block + first),
          reinterpret_cast<const int64_t*>(block + positions), plan.examples()};
}

void ClipSource::gather_wave(Backend& backend, const GatherPlanView& plan,
                             const Tensor& wave) const {
  if (!placed()) fail("the clips were not placed on a device");
  backend.gather_wave(plan, {on_device_.samples, on_device_.sample_offsets, on_device_.lengths},
                      wave);
}

void ClipSource::gather_mel(Backend& backend, const Config& config, const GatherPlanView& plan,
                            const Tensor& wave, const Tensor& mel) const {
  if (config.input.wave_first) return backend.log_mel(wave, log_mel_settings(features_), mel);
  if (!placed()) fail("the clips were not placed on a device");
  const MelSource source{on_device_.columns,
                         on_device_.mel_offsets,
                         on_device_.frames,
                         on_device_.floors,
                         config.input.spectrogram_padding == InputSettings::Padding::kFloor,
                         grid_.to == grid_.from ? native_columns(config.seconds) : mel.shape.w,
                         grid_};
  backend.gather_mel(plan, source, mel);
}

void ClipSource::assemble(const TaggerPass& pass, const Tagger& tagger, int64_t n,
                          Zero zero) const {
  Backend& backend = tagger.backend();
  const GatherPlanView plan = pass.plan(n);
  if (pass.has_wave()) gather_wave(backend, plan, pass.wave(n));
  if (tagger.has_spec())
    gather_mel(backend, tagger.config(), plan, pass.has_wave() ? pass.wave(n) : Tensor{},
               pass.mel(n));
  if (zero == Zero::kAudio && tagger.has_audio()) backend.zero(pass.wave(n));
  if (zero == Zero::kSpectrogram && tagger.has_spec()) backend.zero(pass.mel(n));
}

}  // namespace earshot
