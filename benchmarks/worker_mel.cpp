#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <memory>

#include "benchmarks/worker.h"
#include "data/features.h"
#include "engine/safetensors.h"
#include "engine/select_backend.h"
#include "kernels/log_mel.h"
#include "kernels/philox.h"
#include "tools/device_options.h"

namespace earshot {
namespace {

struct Options {
  int64_t clips = 16, seconds = 5;
  std::string save;
  DeviceOptions device;
};

/// Noise whose level falls by 60 dB along each clip, so that quiet frames meet the floor.
std::vector<float> sounds(const Options& o) {
  const int64_t length = o.seconds * kSampleRate;
  std::vector<float> wave(static_cast<size_t>(o.clips * length));
  for (int64_t i = 0; i < o.clips; ++i) {
    Random random(11, Purpose::kAugment, static_cast<uint32_t>(i), 0);
    for (int64_t t = 0; t < length; ++t)
      wave[i * length + t] = static_cast<float>((2 * random.uniform() - 1) *
                                                std::pow(10.0, -3.0 * double(t) / double(length)));
  }
  return wave;
}

/// Every clip's log-mel, [clips, frames, 128] on the CPU and [clips, 128, frames] on a GPU.
class Extraction {
 public:
  Extraction(Backend& backend, const Options& o)
      : backend_(backend),
        wave_(sounds(o)),
        length_(o.seconds * kSampleRate),
        mel_(static_cast<size_t>(o.clips * mel_frames(length_) * kMelBands)) {
    if (on_cpu()) {
      for (int i = 0; i < omp_get_max_threads(); ++i) extractors_.emplace_back(LogMelSettings{});
      return;
    }
    memory_ = backend.allocate(static_cast<int64_t>((wave_.size() + mel_.size()) * 4), "mel");
    device_wave_ = {memory_.data(), {o.clips, 1, length_, 1}, DType::kF32, "wave"};
    device_mel_ = {device_wave_.f32() + wave_.size(),
                   {o.clips, kMelBands, mel_frames(length_), 1},
                   DType::kF32,
                   "mel"};
    backend.copy_to_device(device_wave_, wave_.data());
  }

  void run() {
    if (!on_cpu()) {
      backend_.log_mel(device_wave_, {}, device_mel_);
      backend_.synchronize();
      return;
    }
    const int64_t clips = static_cast<int64_t>(wave_.size()) / length_;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < clips; ++i)
      extractors_[static_cast<size_t>(omp_get_thread_num())].extract(
          {&wave_[i * length_], static_cast<size_t>(length_)},
          &mel_[i * mel_frames(length_) * kMelBands]);
  }

  void save(const fs::path& path, int64_t clips) {
    run();
    if (!on_cpu()) backend_.copy_to_host(mel_.data(), device_mel_);
    const int64_t frames = mel_frames(length_);
    const std::vector<int64_t> shape = on_cpu() ? std::vector<int64_t>{clips, frames, kMelBands}
                                                : std::vector<int64_t>{clips, kMelBands, frames};
    write_safetensors(
        path,
        {{"wave", SafetensorsType::kF32, {clips, length_}, std::as_bytes(std::span(wave_))},
         {"mel", SafetensorsType::kF32, shape, std::as_bytes(std::span(mel_))}},
        {{"layout", on_cpu() ? "frames, bands" : "bands, frames"}});
  }

 private:
  bool on_cpu() const { return backend_.name() == "cpu"; }

  Backend& backend_;
  std::vector<float> wave_;
  int64_t length_;
  std::vector<float> mel_;
  std::vector<LogMel> extractors_;
  DeviceMemory memory_;
  Tensor device_wave_, device_mel_;
};

void work(const Options& o) {
  const auto backend = select_backend(o.device.device, o.device.threads);
  Extraction extraction(*backend, o);
  if (!o.save.empty()) extraction.save(o.save, o.clips);
  serve({{"device", backend->name()}, {"audio_seconds", o.clips * o.seconds}},
        [&] { extraction.run(); });
}

}  // namespace

void add_mel_worker(CLI::App& app, std::function<void()>& chosen) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("mel", "Samples of several clips to their log-mel, all cores");
  sub->add_option("--clips", o->clips, "Clips in a repetition")
      ->type_name("N")
      ->capture_default_str();
  sub->add_option("--seconds", o->seconds, "Length of each")->type_name("S")->capture_default_str();
  sub->add_option("--save", o->save, "Write samples and log-mel here (safetensors)")
      ->type_name("FILE");
  add_device_options(*sub, o->device);
  sub->callback([o, &chosen] { chosen = [o] { work(*o); }; });
}

}  // namespace earshot
