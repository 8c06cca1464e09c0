// The same test bodies for every backend of this build, and tensors on a device with guards around
// them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/plugin.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot {

/// Whether the tests are to run on a GPU rather than on the CPU: EARSHOT_TEST_DEVICE=cuda.
inline bool test_on_gpu() {
  const char* device = std::getenv("EARSHOT_TEST_DEVICE");
  return device && std::string(device) == "cuda";
}

/// The first GPU, or null and the reason. Never closed: libraries of CUDA may end before our
/// statics do.
struct TestGpu {
  std::string why_not;
  Backend* backend = open_cuda_backend(0, why_not).release();
};
inline const TestGpu& test_gpu() {
  static const TestGpu gpu;
  return gpu;
}

/// Where a GPU is asked for and there is none, every test is skipped, with the reason.
class NeedsGpu : public testing::Environment {
  void SetUp() override {
    if (test_on_gpu() && !test_gpu().backend)
      GTEST_SKIP() << "no GPU to test on: " << test_gpu().why_not;
  }
};
inline testing::Environment* const kNeedsGpu = testing::AddGlobalTestEnvironment(new NeedsGpu);

/// A device and the numbers it computes with.
struct TestBackend {
  std::string name;
  Precision precision;
};
/// For GoogleTest, which shows bytes otherwise.
inline void PrintTo(const TestBackend& backend, std::ostream* out) { *out << backend.name; }
/// Those of this run: the CPU, or the GPU in every precision of its.
inline std::vector<TestBackend> test_backends() {
  if (!test_on_gpu()) return {{"cpu", Precision::kF32}};
  return {{"cuda", Precision::kF32}, {"cuda_tf32", Precision::kTf32}};
}

/// One backend for the whole test program: a device takes a while to open. It computes with these
/// numbers until the next call.
inline Backend& open_backend(const TestBackend& of) {
  static const std::unique_ptr<Backend> cpu = make_cpu_backend(2);
  Backend& backend = of.name == "cpu" ? *cpu : *test_gpu().backend;
  backend.set_numerics({of.precision});
  return backend;
}

/// A tensor with guard bytes before and after it, all filled with a stale pattern at first.
class GuardedTensor {
 public:
  GuardedTensor(Backend& backend, const Shape& shape, const char* name, DType type = DType::kF32)
      : backend_(backend), bytes_(shape.count() * bytes_of(type)) {
    memory_ = backend.allocate(bytes_ + 2 * kGuard, name);
    const std::vector<uint8_t> stale(static_cast<size_t>(bytes_ + 2 * kGuard), kStale);
    backend.copy_to_device(bytes_view(0, bytes_ + 2 * kGuard), stale.data());
    tensor_ = {static_cast<char*>(memory_.data()) + kGuard, shape, type, name};
  }
  GuardedTensor(Backend& backend, const Shape& shape, const char* name,
                const std::vector<float>& values)
      : GuardedTensor(backend, shape, name) {
    set(values);
  }
  GuardedTensor(const GuardedTensor&) = delete;
  GuardedTensor& operator=(const GuardedTensor&) = delete;
  ~GuardedTensor() {
    EXPECT_TRUE(is_stale(0)) << tensor_.name << ": written before its begin";
    EXPECT_TRUE(is_stale(kGuard + bytes_)) << tensor_.name << ": written behind its end";
  }

  operator const Tensor&() const { return tensor_; }  // NOLINT: stands for its tensor
  const Tensor& operator*() const { return tensor_; }
  void set(const std::vector<float>& values) {
    ASSERT_EQ(static_cast<int64_t>(values.size()), tensor_.shape.count()) << tensor_.name;
    backend_.copy_to_device(tensor_, values.data());
  }
  template <typename T = float>
  std::vector<T> get() const {
    std::vector<T> values(static_cast<size_t>(tensor_.shape.count()));
    backend_.copy_to_host(values.data(), tensor_);
    return values;
  }

 private:
  static constexpr int64_t kGuard = 256;   // keeps the arena's alignment
  static constexpr uint8_t kStale = 0xFF;  // NaN as float32

  Tensor bytes_view(int64_t first, int64_t count) const {
    return {static_cast<char*>(memory_.data()) + first, {1, 1, 1, count}, DType::kU8, "guard"};
  }
  bool is_stale(int64_t first) const {
    std::vector<uint8_t> guard(kGuard);
    backend_.copy_to_host(guard.data(), bytes_view(first, kGuard));
    return guard == std::vector<uint8_t>(kGuard, kStale);
  }
  Backend& backend_;
  int64_t bytes_;
  DeviceMemory memory_;
  Tensor tensor_;
};

/// An array on the device.
template <typename T>
class OnDevice {
 public:
  OnDevice(Backend& backend, const std::vector<T>& values)
      : backend_(backend),
        memory_(backend.allocate(static_cast<int64_t>(values.size() * sizeof(T)), "array")) {
    backend.copy_to_device(view(), values.data());
  }
  T* data() const { return static_cast<T*>(memory_.data()); }
  size_t size() const { return static_cast<size_t>(memory_.bytes()) / sizeof(T); }
  std::vector<T> get() const {
    std::vector<T> values(size());
    backend_.copy_to_host(values.data(), view());
    return values;
  }

 private:
  Tensor view() const { return {memory_.data(), {1, 1, 1, memory_.bytes()}, DType::kU8, "array"}; }
  Backend& backend_;
  DeviceMemory memory_;
};

/// Test bodies that need only a backend: TEST_P(MyTest, ...) with EARSHOT_ALL_BACKENDS(MyTest).
class BackendTest : public testing::TestWithParam<TestBackend> {
 protected:
  Backend& backend() const { return open_backend(GetParam()); }
};
#define EARSHOT_ALL_BACKENDS(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(All, suite, testing::ValuesIn(::earshot::test_backends()), \
                           [](const auto& of) { return of.param.name; })

}  // namespace earshot
