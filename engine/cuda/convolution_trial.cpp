#include "engine/cuda/convolution_trial.h"

#include <algorithm>
#include <limits>

namespace earshot::cuda {

void* TrialMemory::take(int64_t bytes) {
  constexpr int kByte = 0x3f;  // 0x3f3f3f3f is 0.747 as float32, 0x3f3f 0.746 as bf16
  const auto count = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  blocks_.push_back(device_.allocate(static_cast<int64_t>(count), "a trial of plans"));
  check(cudaMemsetAsync(blocks_.back().data(), kByte, count, device_.stream()),
        "memory for a trial of plans");
  return blocks_.back().data();
}

Tensor TrialMemory::tensor(const Shape& shape, DType type, const char* name) {
  return {take(shape.count() * bytes_of(type)), shape, type, name};
}

double trial_milliseconds(Device& device, const std::function<bool()>& work) {
  constexpr int kRuns = 3;
  constexpr double kFails = std::numeric_limits<double>::infinity();
  cudaEvent_t raw[2] = {};
  for (cudaEvent_t& event : raw) check(cudaEventCreate(&event), "an event");
  const Owned<cudaEvent_t, cudaEventDestroy> first(raw[0]), last(raw[1]);
  if (!work()) return kFails;
  double least = kFails;
  for (int i = 0; i < kRuns; ++i) {
    check(cudaEventRecord(first.get(), device.stream()), "an event");
    if (!work()) return kFails;
    check(cudaEventRecord(last.get(), device.stream()), "an event");
    check(cudaEventSynchronize(last.get()), "a trial of plans");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, first.get(), last.get()), "an event");
    least = std::min(least, static_cast<double>(milliseconds));
  }
  return least;
}

PlanTrials plan_trials(Device& device) {
  return [&device](const std::vector<BufferNeed>& buffers) -> PlanTrial {
    const auto memory = std::make_shared<TrialMemory>(device);
    std::vector<Binding> bindings;
    for (const BufferNeed& need : buffers) bindings.push_back({need.uid, memory->take(need.bytes)});
    return [&device, memory, bindings](const Plan& plan) {
      TrialMemory workspace(device);
      void* const at = workspace.take(plan.workspace());
      return trial_milliseconds(device,
                                [&] { return good(plan.run(device.cudnn(), bindings, at)); });
    };
  };
}

}  // namespace earshot::cuda
