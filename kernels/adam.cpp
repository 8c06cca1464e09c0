#include "kernels/adam.h"

namespace earshot {

void adam(float* p, const float* g, float* m, float* v, int64_t count, const AdamStep* step,
          const int32_t* skip) {
  if (*skip != 0) return;
  const AdamUpdate update;
  const AdamStep numbers = *step;
#pragma omp parallel for simd schedule(static)
  for (int64_t i = 0; i < count; ++i) update(p[i], g[i], m[i], v[i], numbers);
}

}  // namespace earshot
