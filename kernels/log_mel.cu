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

/// The clip that frame `frame` of all belongs to.
__device__ inline int64_t clip_of(const MelClips& clips, int64_t frame) {
  int64_t low = 0, high = clips.n;  // first_frame[low] <= frame < first_frame[high]
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (clips.first_frame[middle] <= frame)
      low = middle;
    else
      high = middle;
  }
  return low;
}

__global__ void __launch_bounds__(kFrameThreads)
    cut_frames_of_clips(MelClips clips, int64_t first, const float* window, float* out) {
  const int64_t row = blockIdx.x, clip = clip_of(clips, first + row);
  const int64_t begin = clips.first_sample[clip], t = clips.first_sample[clip + 1] - begin;
  const int64_t start = (first + row - clips.first_frame[clip]) * kHop - kFft / 2;
  for (int i = threadIdx.x; i < kFft; i += kFrameThreads) {
    const int64_t at = start + i;
    const bool within = at >= 0 && at < t;
    out[row * kFft + i] =
        window[i] *
        (static_cast<float>(clips.samples[begin + (within ? at : reflect(at, t))]) / 32768.0f);
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

/// Largest of values [count], known to every thread of the block.
__device__ inline float maximum_of_block(int64_t count, const float* values) {
  static __shared__ float of_warp[kMaximumThreads / kWarp];
  float largest = values[0];
  for (int64_t i = threadIdx.x; i < count; i += kMaximumThreads)
    largest = fmaxf(largest, values[i]);
  largest = warp_max(largest);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = largest;
  __syncthreads();
  return warp_max(of_warp[threadIdx.x % kWarp]);
}

__global__ void __launch_bounds__(kMaximumThreads)
    maximum_of_clip(int64_t count, const float* db, float* maxima) {
  const float largest = maximum_of_block(count, db + blockIdx.x * count);
  if (threadIdx.x == 0) maxima[blockIdx.x] = largest;
}

__global__ void __launch_bounds__(kMaximumThreads)
    floor_of_clip(MelClips clips, float range, float* db, float* floor) {
  const int64_t first = clips.first_frame[blockIdx.x] * kMelBands;
  const int64_t count = clips.first_frame[blockIdx.x + 1] * kMelBands - first;
  const float lowest = maximum_of_block(count, db + first) - range;
  for (int64_t i = threadIdx.x; i < count; i += kMaximumThreads)
    db[first + i] = fmaxf(lowest, db[first + i]);
  if (threadIdx.x == 0) floor[blockIdx.x] = lowest;
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
  log_mel_clip_bands(n * frames, spectrum, settings, bank, db, stream);
  launch("log_mel_bands: maxima", maximum_of_clip, {blocks_x(n), kMaximumThreads}, stream,
         frames * kMelBands, db, maxima);
}

void log_mel_resize(int64_t n, int64_t frames, int64_t w, const LogMelSettings& settings,
                    const float* db, const float* maxima, float* out, Stream stream) {
  launch_resize("log_mel_resize", n, frames, w, out, stream,
                FlooredColumns{frames, static_cast<float>(settings.range), db, maxima});
}

void log_mel_clip_frames(const MelClips& clips, int64_t first, int64_t rows, const float* window,
                         float* frames, Stream stream) {
  launch("log_mel_clip_frames", cut_frames_of_clips, {blocks_x(rows), kFrameThreads}, stream, clips,
         first, window, frames);
}

void log_mel_clip_bands(int64_t rows, const float* spectrum, const LogMelSettings& settings,
                        const MelBankView& bank, float* db, Stream stream) {
  const Decibels scale{static_cast<float>(settings.multiplier),
                       static_cast<float>(settings.minimum)};
  launch("log_mel_clip_bands", sum_bands, {blocks_x(rows), kMelBands}, stream, bank, scale,
         spectrum, db);
}

void log_mel_clip_floor(const MelClips& clips, const LogMelSettings& settings, float* db,
                        float* floor, Stream stream) {
  launch("log_mel_clip_floor", floor_of_clip, {blocks_x(clips.n), kMaximumThreads}, stream, clips,
         static_cast<float>(settings.range), db, floor);
}

}  // namespace earshot::cuda
