#include "kernels/adam.h"
#include "kernels/elementwise.cuh"

namespace earshot::cuda {
namespace {

struct AdamCell {
  const AdamStep* step;
  const int32_t* skip;
  float* p;
  const float* g;
  float *m, *v;
  __device__ void operator()(int64_t i) const {
    if (*skip == 0) AdamUpdate()(p[i], g[i], m[i], v[i], *step);
  }
};

}  // namespace

void adam(float* p, const float* g, float* m, float* v, int64_t count, const AdamStep* step,
          const int32_t* skip, Stream stream) {
  launch_for_each("adam", count, stream, AdamCell{step, skip, p, g, m, v});
}

}  // namespace earshot::cuda
