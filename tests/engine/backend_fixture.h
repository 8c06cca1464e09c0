// The same test bodies for every backend of this build, and tensors on a device with guards around
// them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/plugin.h"
#include "tests/reference/compare.h"
#include "tests/reference/values.h"

namespace earshot {

/// The first GPU, or null. Never closed: libraries of CUDA may end before our statics do.
inline Backend* cuda_test_backend() {
  static std::string why_not;
  static Backend* const cuda = open_cuda_backend(0, why_not).release();
  return cuda;
}

/// Names of the backends that can run here.
inline std::vector<std::string> test_backends() {
  if (cuda_test_backend()) return {"cpu", "cuda"};
  return {"cpu"};
}

/// One backend for the whole test program: a device takes a while to open.
inline Backend& test_backend(const std::string& name) {
  static const std::unique_ptr<Backend> cpu = make_cpu_backend(2);
  if (name == "cpu") return *cpu;
  if (name != "cuda" || !cuda_test_backend()) fail("no backend {}", name);
  return *cuda_test_backend();
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

/// Test bodies that need only a backend: TEST_P(MyTest, ...) with EARSHOT_ALL_BACKENDS(MyTest).
class BackendTest : public testing::TestWithParam<std::string> {
 protected:
  Backend& backend() const { return test_backend(GetParam()); }
};
#define EARSHOT_ALL_BACKENDS(suite)                                                   \
  INSTANTIATE_TEST_SUITE_P(All, suite, testing::ValuesIn(::earshot::test_backends()), \
                           [](const auto& of) { return of.param; })

}  // namespace earshot
