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
  const MelBankView bank{static_cast<const MelTriangle*>(triangles_.data()),
                         static_cast<const float*>(weights_.data())};
  for (int64_t i = 0; i < n; i += most) {
    const int64_t count = std::min(most, n - i);
    const cudaStream_t stream = device_.stream();
    launching("log-mel", wave, [&] {
      log_mel_frames(count, t, wave.f32() + i * t, static_cast<const float*>(window_.data()),
                     windowed, stream);
      fft(count * frames).run(windowed, spectrum);
      log_mel_bands(count, frames, spectrum, settings, bank, db, maxima, stream);
      log_mel_resize(count, frames, w, settings, db, maxima, out.f32() + i * kBands * w, stream);
    });
  }
}

}  // namespace earshot::cuda
