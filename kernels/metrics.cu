// One block: a warp ranks the label of an example, then one thread adds a chunk of examples in
// order, so that the sums are those of the CPU.
#include "kernels/metrics.h"
#include "kernels/warp.cuh"

namespace earshot::cuda {
namespace {

constexpr int kWarps = 8, kExamples = 64;  // of the block; of a chunk

/// The first class of the warp's example with a target above 1/2; `classes` where there is none.
__device__ inline int64_t label_of(const float* targets, int64_t classes) {
  for (int64_t first = 0; first < classes; first += kWarp) {
    const int64_t c = first + threadIdx.x;
    const unsigned found = __ballot_sync(kAllLanes, c < classes && targets[c] > 0.5f);
    if (found != 0) return first + __ffs(static_cast<int>(found)) - 1;
  }
  return classes;
}

__device__ inline int classes_before(const float* logits, int64_t classes, int64_t label) {
  int before = 0;
  for (int64_t first = 0; first < classes; first += kWarp) {
    const int64_t c = first + threadIdx.x;
    before += __popc(__ballot_sync(kAllLanes, c < classes && ranks_before(logits, c, label)));
  }
  return before;
}

__global__ void __launch_bounds__(kWarp* kWarps)
    add_ranked(LossShape s, const float* logits, const float* targets, const float* loss,
               MetricSums* sums) {
  static __shared__ int before[kExamples];
  for (int64_t first = 0; first < s.n; first += kExamples) {
    const int64_t last = first + kExamples < s.n ? first + kExamples : s.n;
    for (int64_t i = first + threadIdx.y; i < last; i += kWarps) {
      const float* x = logits + i * s.classes;
      const int64_t label = label_of(targets + i * s.classes, s.classes);
      const bool ranked = label < s.classes && x[label] == x[label];
      const int count = ranked ? classes_before(x, s.classes, label) : -1;
      if (threadIdx.x == 0) before[i - first] = count;
    }
    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
      MetricSums sum = *sums;
      for (int64_t i = first; i < last; ++i) {
        sum.loss += static_cast<double>(loss[i]);
        sum.precision += precision_at_3(before[i - first]);
        sum.hits += before[i - first] == 0 ? 1 : 0;
      }
      *sums = sum;
    }
    __syncthreads();
  }
}

}  // namespace

void add_metrics(const LossShape& s, const float* logits, const float* targets, const float* loss,
                 MetricSums* sums, Stream stream) {
  launch("add_metrics", add_ranked, {1, {kWarp, kWarps}}, stream, s, logits, targets, loss, sums);
}

}  // namespace earshot::cuda
