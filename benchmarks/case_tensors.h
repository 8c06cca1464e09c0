// What the benchmarks of single kernels share: tensors on the device, and a case's figures.
#pragma once

#include <vector>

#include "benchmarks/device.h"
#include "kernels/philox.h"

namespace earshot {

inline std::vector<float> uniform(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  Random random(1, Purpose::kInitialWeights, 0, 0);
  for (float& v : values) v = static_cast<float>(2 * random.uniform() - 1);
  return values;
}

/// Memory of a case; `live` sums all there is.
class CaseMemory {
 public:
  explicit CaseMemory(int64_t bytes) : memory_(benchmark_backend().allocate(bytes, "bench")) {
    live += bytes;
  }
  CaseMemory(const CaseMemory&) = delete;
  ~CaseMemory() { live -= memory_.bytes(); }
  void* data() const { return memory_.data(); }
  static inline int64_t live = 0;  // bytes

 private:
  DeviceMemory memory_;
};

/// A tensor: float32 uniform in [-1, 1), others zero.
struct OnDevice {
  explicit OnDevice(const Shape& shape, DType type = DType::kF32)
      : memory(shape.count() * bytes_of(type)), tensor{memory.data(), shape, type, "bench"} {
    if (type == DType::kF32)
      benchmark_backend().copy_to_device(tensor, uniform(shape.count()).data());
    else
      benchmark_backend().zero(tensor);
  }
  operator const Tensor&() const { return tensor; }  // NOLINT: stands for its tensor
  CaseMemory memory;
  Tensor tensor;
};

/// A copy of plain values.
template <typename T>
class Uploaded {
 public:
  explicit Uploaded(const std::vector<T>& values)
      : memory_(static_cast<int64_t>(values.size() * sizeof(T))) {
    const auto bytes = static_cast<int64_t>(values.size() * sizeof(T));
    benchmark_backend().copy_to_device({memory_.data(), {1, 1, 1, bytes}, DType::kU8, "bench"},
                                       values.data());
  }
  T* data() const { return static_cast<T*>(memory_.data()); }

 private:
  CaseMemory memory_;
};

inline Shape vector(int64_t c) { return {1, 1, 1, c}; }

/// Call while the case's tensors live: MB is what they hold together.
inline void report(benchmark::State& state, double flops, double bytes) {
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(1e-9 * flops, Counter::kIsIterationInvariantRate);
  state.counters["GB/s"] = Counter(1e-9 * bytes, Counter::kIsIterationInvariantRate);
  state.counters["MB"] = 1e-6 * double(CaseMemory::live);
}

}  // namespace earshot
