#include "engine/cuda/fft.h"

#include <algorithm>

namespace earshot::cuda {
namespace {

constexpr int kFft = 2048;           // samples
constexpr int kBins = kFft / 2 + 1;  // complex
constexpr int kBands = 128;
constexpr int kHop = 256;        // samples
constexpr int64_t kRows = 4096;  // about so many frames at once: 67 MB of scratch

template <typename T>
DeviceMemory place(Device& device, const std::vector<T>& values, const char* what) {
  const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
  DeviceMemory memory = device.allocate(bytes, what);
  device.upload(memory.data(), values.data(), bytes, what);
  return memory;
}

}  // namespace

RealFft::RealFft(const Device& device, int64_t rows) : rows_(rows) {
  int length = kFft;
  check(cufftPlanMany(&plan_, 1, &length, nullptr, 1, kFft, nullptr, 1, kBins, CUFFT_R2C,
                      static_cast<int>(rows)),
        "planning {} FFTs", rows);
  check(cufftSetStream(plan_, device.stream()), "planning {} FFTs", rows);
}

void RealFft::run(float* frames, float* spectrum) const {
  check(cufftExecR2C(plan_, frames, reinterpret_cast<cufftComplex*>(spectrum)), "{} FFTs", rows_);
}

LogMelBatch::LogMelBatch(Device& device) : device_(device) {
  const MelBank bank = mel_bank();
  window_ = place(device, hann_window(), "the window of the log-mel");
  triangles_ = place(device, bank.triangles, "the mel filter bank");
  weights_ = place(device, bank.weights, "the mel filter bank");
}

const RealFft& LogMelBatch::fft(int64_t rows) {
  return plans_.try_emplace(rows, device_, rows).first->second;
}

void LogMelBatch::run(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) {
  const int64_t n = wave.shape.n, t = wave.shape.w, w = out.shape.w, frames = 1 + t / kHop;
  const int64_t most = std::clamp<int64_t>(kRows / frames, 1, n);  // examples at once
  const int64_t rows = most * frames;
  float* windowed = static_cast<float*>(
      device_.scratch((rows * (kFft + 2 * kBins + kBands) + most) * int64_t{sizeof(float)}));
  float* spectrum = windowed + rows * kFft;  // 8-byte aligned: rows * kFft is even
  float* db = spectrum + rows * 2 * kBins;
  float* maxima = db + rows * kBands;
  for (int64_t i = 0; i < n; i += most) {
    const int64_t count = std::min(most, n - i);
    const cudaStream_t stream = device_.stream();
    launching("log-mel", wave, [&] {
      log_mel_frames(count, t, wave.f32() + i * t, static_cast<const float*>(window_.data()),
                     windowed, stream);
      fft(count * frames).run(windowed, spectrum);
      log_mel_bands(count, frames, spectrum, settings, bank(), db, maxima, stream);
      log_mel_resize(count, frames, w, settings, db, maxima, out.f32() + i * kBands * w, stream);
    });
  }
}

void LogMelBatch::run(const ClipsLogMel& t) {
  const auto n = static_cast<int64_t>(t.samples.size());
  if (n == 0) return;
  std::vector<int64_t> edges(static_cast<size_t>(2 * n + 2), 0);  // first samples, first frames
  int64_t *first_sample = edges.data(), *first_frame = edges.data() + n + 1;
  for (int64_t i = 0; i < n; ++i) {
    const auto samples = static_cast<int64_t>(t.samples[i].size());
    first_sample[i + 1] = first_sample[i] + samples;
    first_frame[i + 1] = first_frame[i] + 1 + samples / kHop;
  }
  const int64_t frames = first_frame[n], rows = std::min(frames, kRows);
  const auto bytes = [](int64_t cells, size_t cell) { return cells * static_cast<int64_t>(cell); };
  const DeviceMemory samples =
      device_.allocate(bytes(first_sample[n], sizeof(int16_t)), "the samples of clips");
  const DeviceMemory table = place(device_, edges, "the table of clips");
  const DeviceMemory db =
      device_.allocate(bytes(frames * kBands + n, sizeof(float)), "the log-mel of clips");
  for (int64_t i = 0; i < n; ++i)
    device_.upload(static_cast<int16_t*>(samples.data()) + first_sample[i], t.samples[i].data(),
                   bytes(static_cast<int64_t>(t.samples[i].size()), sizeof(int16_t)), "a clip");
  const auto* there = static_cast<const int64_t*>(table.data());
  const MelClips clips{static_cast<const int16_t*>(samples.data()), there, there + n + 1, n};
  float* windowed =
      static_cast<float*>(device_.scratch(bytes(rows * (kFft + 2 * kBins), sizeof(float))));
  float* spectrum = windowed + rows * kFft;
  float* columns = static_cast<float*>(db.data());
  float* floor = columns + frames * kBands;
  const Tensor name{columns, {1, 1, frames, kBands}, DType::kF32, "clips"};
  launching("log-mel", name, [&] {
    for (int64_t first = 0; first < frames; first += rows) {
      const int64_t count = std::min(rows, frames - first);
      log_mel_clip_frames(clips, first, count, static_cast<const float*>(window_.data()), windowed,
                          device_.stream());
      fft(rows).run(windowed, spectrum);  // of the last ones some stay unused
      log_mel_clip_bands(count, spectrum, t.settings, bank(), columns + first * kBands,
                         device_.stream());
    }
    log_mel_clip_floor(clips, t.settings, columns, floor, device_.stream());
  });
  for (int64_t i = 0; i < n; ++i)
    download(t.columns[i], columns + first_frame[i] * kBands,
             (first_frame[i + 1] - first_frame[i]) * kBands);
  download(t.floor, floor, n);
  device_.synchronize();
}

void LogMelBatch::download(float* to, const float* from, int64_t count) const {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(count) * sizeof(float),
                        cudaMemcpyDeviceToHost, device_.stream()),
        "copy of a log-mel to the host");
}

}  // namespace earshot::cuda
