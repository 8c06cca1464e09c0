// The log-mel of a batch of waves (kernels/log_mel.h) with cuFFT between our own kernels.
#pragma once

#include <map>

#include "engine/cuda/device.h"
#include "kernels/log_mel.h"

namespace earshot::cuda {

/// 2048-point real FFTs of `rows` frames at once.
class RealFft {
 public:
  RealFft(const Device& device, int64_t rows);
  ~RealFft() { cufftDestroy(plan_); }
  RealFft(const RealFft&) = delete;
  RealFft& operator=(const RealFft&) = delete;
  /// frames [rows, 2048] -> spectrum [rows, 1025] complex.
  void run(float* frames, float* spectrum) const;

 private:
  int64_t rows_;
  cufftHandle plan_ = 0;
};

class LogMelBatch {
 public:
  explicit LogMelBatch(Device& device);
  /// wave [n, 1, t, 1] -> out [n, 128, w, 1].
  void run(const Tensor& wave, const LogMelSettings& settings, const Tensor& out);
  /// As Backend::log_mel_clips.
  void run(const ClipsLogMel& t);

 private:
  const RealFft& fft(int64_t rows);
  void download(float* to, const float* from, int64_t count) const;
  MelBankView bank() const {
    return {static_cast<const MelTriangle*>(triangles_.data()),
            static_cast<const float*>(weights_.data())};
  }

  Device& device_;
  DeviceMemory window_, triangles_, weights_;
  std::map<int64_t, RealFft> plans_;
};

}  // namespace earshot::cuda
