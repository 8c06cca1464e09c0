// What crosses between host and device in a training step beside its batch: a few numbers in, a
// report out. Both lie in the device's memory, so that a recorded step replays with other numbers.
#pragma once

#include <cstdint>

#include "kernels/adam.h"
#include "kernels/stream.h"

namespace earshot {

/// To the device before each step.
struct StepScalars {
  AdamStep adam;
  uint32_t step = 0;  // of dropout's draws
};

enum : int32_t { kBadLoss = 1, kBadGradient = 2 };

/// From the device after each step.
struct StepReport {
  double loss = 0;  // sum over the examples of the last step, added in their order
  /// kBadLoss, kBadGradient: set by a step whose loss or gradient holds a NaN or an infinity, and
  /// never cleared. Where it is not 0, nothing is trained any more.
  int32_t bad = 0;
};

/// loss [n], gradients [count] -> report
void report_step(int64_t n, const float* loss, int64_t count, const float* gradients,
                 StepReport* report);

/// values = saved where the report is bad. [count]
void restore_where_bad(const StepReport* report, int64_t count, const float* saved, float* values);

// On a CUDA device: pointers are the device's.
namespace cuda {
void report_step(int64_t n, const float* loss, int64_t count, const float* gradients,
                 StepReport* report, Stream stream);
void restore_where_bad(const StepReport* report, int64_t count, const float* saved, float* values,
                       Stream stream);
}  // namespace cuda

}  // namespace earshot
