// One GPU with its stream, library handles, staging memory and scratch. Everything is enqueued on
// the one stream, so scratch may be used again by the next operation without waiting.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "engine/backend.h"
#include "engine/cuda/check.h"
#include "engine/cuda/plan_cache.h"

namespace earshot::cuda {

inline constexpr int64_t kFloatBytes = sizeof(float);

/// A handle of a library, destroyed with `destroy`.
template <typename T, auto destroy>
struct DestroyWith {
  void operator()(T* handle) const { destroy(handle); }
};
template <typename Handle, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>,
                              DestroyWith<std::remove_pointer_t<Handle>, destroy>>;

class Device {
 public:
  /// Throws Error where the GPU or a library cannot be started.
  explicit Device(int index);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  int index() const { return index_; }
  std::string description() const;
  PlanEnvironment environment() const;
  cudaStream_t stream() const { return stream_.get(); }
  cudnnHandle_t cudnn() const { return cudnn_.get(); }
  cublasLtHandle_t blas() const { return blas_.get(); }

  int64_t free_bytes() const;
  DeviceMemory allocate(int64_t bytes, const char* what) const;
  /// Memory for the operation that is being enqueued; the next call may hand out the same. Grows,
  /// but for operations that are being recorded.
  void* scratch(int64_t bytes);
  /// Enqueues a copy from host memory, which may change as soon as this returns. Never recorded.
  void upload(void* to, const void* from, int64_t bytes, const char* what);
  /// Waits for everything enqueued and reports what failed there.
  void synchronize() const;

  struct Slot {  // pinned memory and the last copy from or to it
    std::unique_ptr<void, DestroyWith<void, cudaFreeHost>> memory;
    Owned<cudaEvent_t, cudaEventDestroy> copied;
  };
  Slot pinned_slot(int64_t bytes) const;

  /// What is enqueued from here to end_recording() makes a graph and does not run.
  void begin_recording();
  /// Null where the recording was broken off: `failed`, or an operation that cannot be recorded.
  cudaGraph_t end_recording(bool failed);
  /// The scratch as it is now: recorded operations go on using it when it has grown.
  std::shared_ptr<const DeviceMemory> keep_scratch() const { return scratch_; }

 private:
  int index_;
  Owned<cudaStream_t, cudaStreamDestroy> stream_;
  Owned<cudnnHandle_t, cudnnDestroy> cudnn_;
  Owned<cublasLtHandle_t, cublasLtDestroy> blas_;
  std::array<Slot, 2> slots_;
  size_t next_slot_ = 0;
  std::shared_ptr<DeviceMemory> scratch_;
  bool recording_ = false;
};

}  // namespace earshot::cuda
