#include "kernels/step.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace earshot {
namespace {

bool all_finite(int64_t count, const float* x) {
  int64_t bad = 0;
#pragma omp parallel for simd schedule(static) reduction(+ : bad)
  for (int64_t i = 0; i < count; ++i)
    bad += std::abs(x[i]) <= std::numeric_limits<float>::max() ? 0 : 1;
  return bad == 0;
}

}  // namespace

void report_step(int64_t n, const float* loss, int64_t count, const float* gradients,
                 StepReport* report) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(loss[i]);
  report->loss = sum;
  if (!std::isfinite(sum)) report->bad |= kBadLoss;
  if (!all_finite(count, gradients)) report->bad |= kBadGradient;
}

void restore_where_bad(const StepReport* report, int64_t count, const float* saved, float* values) {
  if (report->bad != 0) std::copy_n(saved, count, values);
}

}  // namespace earshot
