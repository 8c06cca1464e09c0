// The log-mel front end around cuFFT: frames -> (FFT) -> bands -> floor and resize.
#include "kernels/log_mel.h"
#include "kernels/mel_resize.cuh"
#include "kernels/reflect.h"
#include "kernels/warp.cuh"

namespace earshot::cuda {
namespace {

constexpr int kFft = 2048, kHop = 256, kBins = kFft / 2 + 1;
constexpr int kFrameThreads = 256, kMaximumThreads = 1024;

__global__ void __launch_bounds__(kFrameThreads)
    cut_frames(int64_t frames, int64_t t, const float* wave, const float* window, float* out) {
  const int64_t row = blockIdx.x, example = row / frames, frame = row % frames;
  const float* samples = wave + example * t;
  for (int i = threadIdx.x; i < kFft; i += kFrameThreads) {
    const int64_t at = frame * kHop - kFft / 2 + i;
    const bool within = at >= 0 && at < t;  // most are, and reflect divides
    out[row * kFft + i] = window[i] * samples[within ? at : reflect(at, t)];
  }
}

struct Decibels {
  float multiplier, minimum;
};

__global__ void __launch_bounds__(kMelBands)
    sum_bands(MelBankView bank, Decibels scale, const float* spectrum, float* db) {
  static __shared__ float power[kBins];
  const int64_t row = blockIdx.x;
  const auto* bins = reinterpret_cast<const Pack<float, 2>*>(spectrum) + row * kBins;
  for (int k = threadIdx.x; k < kBins; k += kMelBands) {
    const Pack<float, 2> bin = bins[k];
    power[k] = bin.v[0] * bin.v[0] + bin.v[1] * bin.v[1];
  }
  __syncthreads();
  const MelTriangle triangle = bank.triangles[threadIdx.x];
  float sum = 0;
  for (int k = 0; k < triangle.count; ++k)
    sum += bank.weights[triangle.offset + k] * power[triangle.first + k];
  db[row * kMelBands + threadIdx.x] = scale.multiplier * log10f(fmaxf(scale.minimum, sum));
}

__global__ void __launch_bounds__(kMaximumThreads)
    maximum_of_clip(int64_t count, const float* db, float* maxima) {
  static __shared__ float of_warp[kMaximumThreads / kWarp];
  const float* values = db + blockIdx.x * count;
  float largest = values[0];
  for (int64_t i = threadIdx.x; i < count; i += kMaximumThreads)
    largest = fmaxf(largest, values[i]);
  largest = warp_max(largest);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = largest;
  __syncthreads();
  if (threadIdx.x >= kWarp) return;
  largest = warp_max(of_warp[threadIdx.x]);
  if (threadIdx.x == 0) maxima[blockIdx.x] = largest;
}

struct FlooredColumns {
  int64_t frames;
  float range;
  const float *db, *maxima;
  __device__ LaneBands operator()(int64_t i, int64_t column, int lane) const {
    const float floor = maxima[i] - range;
    const float* values = db + (i * frames + column) * kMelBands + lane;
    LaneBands of;
#pragma unroll
    for (int band = 0; band < kBandsOfLane; ++band) of.v[band] = fmaxf(floor, values[band * kWarp]);
    return of;
  }
};

}  // namespace

void log_mel_frames(int64_t n, int64_t t, const float* wave, const float* window, float* frames,
                    Stream stream) {
  const int64_t per_example = 1 + t / kHop;
  launch("log_mel_frames", cut_frames, {blocks_x(n * per_example), kFrameThreads}, stream,
         per_example, t, wave, window, frames);
}

void log_mel_bands(int64_t n, int64_t frames, const float* spectrum, const LogMelSettings& settings,
                   const MelBankView& bank, float* db, float* maxima, Stream stream) {
  const Decibels scale{static_cast<float>(settings.multiplier),
                       static_cast<float>(settings.minimum)};
  launch("log_mel_bands", sum_bands, {blocks_x(n * frames), kMelBands}, stream, bank, scale,
         spectrum, db);
  launch("log_mel_bands: maxima", maximum_of_clip, {blocks_x(n), kMaximumThreads}, stream,
         frames * kMelBands, db, maxima);
}

void log_mel_resize(int64_t n, int64_t frames, int64_t w, const LogMelSettings& settings,
                    const float* db, const float* maxima, float* out, Stream stream) {
  launch_resize("log_mel_resize", n, frames, w, out, stream,
                FlooredColumns{frames, static_cast<float>(settings.range), db, maxima});
}

}  // namespace earshot::cuda
