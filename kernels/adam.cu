#include "kernels/adam.h"
#include "kernels/elementwise.cuh"

namespace earshot::cuda {
namespace {

struct AdamCell {
  AdamStep step;
  float* p;
  const float* g;
  float *m, *v;
  __device__ void operator()(int64_t i) const { AdamUpdate()(p[i], g[i], m[i], v[i], step); }
};

}  // namespace

void adam(float* p, const float* g, float* m, float* v, int64_t count, const AdamStep& step,
          Stream stream) {
  launch_for_each("adam", count, stream, AdamCell{step, p, g, m, v});
}

}  // namespace earshot::cuda
