#include "kernels/elementwise.cuh"
#include "kernels/step.h"

namespace earshot::cuda {
namespace {

/// One thread: a batch is small, and its sum must not depend on an order.
struct ReportLoss {
  int64_t n;
  const float* loss;
  StepReport* report;
  __device__ void operator()(int64_t) const {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(loss[i]);
    report->loss = sum;
    if (!(fabs(sum) <= 1.7976931348623157e308)) report->bad |= kBadLoss;
  }
};

struct ReportGradient {
  const float* x;
  int32_t* bad;
  __device__ void operator()(int64_t i) const {
    if (!(fabsf(x[i]) <= 3.402823466e38f)) atomicOr(bad, kBadGradient);
  }
};

struct RestoreWhereBad {
  const StepReport* report;
  const float* saved;
  float* values;
  __device__ void operator()(int64_t i) const {
    if (report->bad != 0) values[i] = saved[i];
  }
};

}  // namespace

void report_step(int64_t n, const float* loss, int64_t count, const float* gradients,
                 StepReport* report, Stream stream) {
  launch_for_each("report_step: loss", 1, stream, ReportLoss{n, loss, report});
  launch_for_each("report_step: gradient", count, stream, ReportGradient{gradients, &report->bad});
}

void restore_where_bad(const StepReport* report, int64_t count, const float* saved, float* values,
                       Stream stream) {
  launch_for_each("restore_where_bad", count, stream, RestoreWhereBad{report, saved, values});
}

}  // namespace earshot::cuda
