// Measures candidates on the device before the first step.
#pragma once

#include <functional>
#include <vector>

#include "engine/cuda/convolution_graphs.h"
#include "engine/cuda/device.h"

namespace earshot::cuda {

/// Memory that holds a number near 3/4 in every cell, whatever the type; freed with it.
class TrialMemory {
 public:
  explicit TrialMemory(Device& device) : device_(device) {}
  void* take(int64_t bytes);
  Tensor tensor(const Shape& shape, DType type, const char* name);

 private:
  Device& device_;
  std::vector<DeviceMemory> blocks_;
};

/// Milliseconds of the fastest of a few runs, after one to warm up. Infinity where `work` returns
/// false or fails on the device.
double trial_milliseconds(Device& device, const std::function<bool()>& work);

/// Times cuDNN's plans on buffers of their own.
PlanTrials plan_trials(Device& device);

}  // namespace earshot::cuda
