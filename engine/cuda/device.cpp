#include "engine/cuda/device.h"

#include <algorithm>
#include <cstring>

namespace earshot::cuda {
namespace {

constexpr int64_t kSlotBytes = int64_t{8} << 20;
/// Enough for all but the log-mel within the step.
constexpr int64_t kLeastScratch = int64_t{32} << 20;

}  // namespace

Device::Device(int index) : index_(index) {
  check(cudaSetDevice(index), "GPU {} cannot be opened", index);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream of GPU {}", index);
  stream_.reset(stream);
  cudnnHandle_t cudnn = nullptr;
  check(cudnnCreate(&cudnn), "starting cuDNN on GPU {}", index);
  cudnn_.reset(cudnn);
  check(cudnnSetStream(cudnn, stream), "starting cuDNN on GPU {}", index);
  cublasLtHandle_t blas = nullptr;
  check(cublasLtCreate(&blas), "starting cuBLAS on GPU {}", index);
  blas_.reset(blas);
  for (Slot& slot : slots_) slot = pinned_slot(kSlotBytes);
  scratch_ = std::make_shared<DeviceMemory>(allocate(kLeastScratch, "scratch"));
}

std::string Device::description() const {
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, index_), "properties of GPU {}", index_);
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "version of the driver");
  const size_t cudnn = cudnnGetVersion();
  return fmt::format(
      "cuda:{}: {}, compute capability {}.{}, {:.1f} GB, CUDA {}.{} (driver {}.{}), cuDNN {}.{}.{}",
      index_, p.name, p.major, p.minor, 1e-9 * static_cast<double>(p.totalGlobalMem),
      CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, driver / 1000, driver % 1000 / 10,
      cudnn / 10000, cudnn % 10000 / 100, cudnn % 100);
}

PlanEnvironment Device::environment() const {
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, index_), "properties of GPU {}", index_);
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "version of the driver");
  return {p.name, p.major * 10 + p.minor, driver, cudnnGetVersion()};
}

int64_t Device::free_bytes() const {
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory of GPU {}", index_);
  return static_cast<int64_t>(free);
}

DeviceMemory Device::allocate(int64_t bytes, const char* what) const {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // not sticky: the next launch must not report it
    fail_device(
        "not enough memory on GPU {} for {} ({:.0f} MB); use a smaller batch or width, or end what "
        "else runs on it",
        index_, what, 1e-6 * static_cast<double>(bytes));
  }
  check(status, "memory for {} ({} bytes)", what, bytes);
  return {data, bytes, [](void* p) { cudaFree(p); }};
}

Device::Slot Device::pinned_slot(int64_t bytes) const {
  Slot slot;
  void* memory = nullptr;
  check(cudaMallocHost(&memory, static_cast<size_t>(bytes)), "pinned host memory of GPU {}",
        index_);
  slot.memory.reset(memory);
  cudaEvent_t copied = nullptr;
  check(cudaEventCreateWithFlags(&copied, cudaEventDisableTiming), "an event of GPU {}", index_);
  slot.copied.reset(copied);
  return slot;
}

void* Device::scratch(int64_t bytes) {
  if (bytes > scratch_->bytes()) {
    if (recording_)
      fail(
          "GPU {}: scratch must grow from {} to {} bytes while a step is recorded; run the step "
          "once before",
          index_, scratch_->bytes(), bytes);
    scratch_.reset();  // waits for the kernels that use it
    scratch_ = std::make_shared<DeviceMemory>(allocate(bytes, "scratch"));
  }
  return scratch_->data();
}

void Device::upload(void* to, const void* from, int64_t bytes, const char* what) {
  if (recording_) fail("GPU {}: the copy of {} from the host cannot be recorded", index_, what);
  for (int64_t done = 0; done < bytes; done += kSlotBytes) {
    Slot& slot = slots_[next_slot_];
    next_slot_ = (next_slot_ + 1) % slots_.size();
    const auto count = static_cast<size_t>(std::min(kSlotBytes, bytes - done));
    check(cudaEventSynchronize(slot.copied.get()), "copy of {} to GPU {}", what, index_);
    std::memcpy(slot.memory.get(), static_cast<const char*>(from) + done, count);
    check(cudaMemcpyAsync(static_cast<char*>(to) + done, slot.memory.get(), count,
                          cudaMemcpyHostToDevice, stream()),
          "copy of {} to GPU {}", what, index_);
    check(cudaEventRecord(slot.copied.get(), stream()), "copy of {} to GPU {}", what, index_);
  }
}

void Device::synchronize() const {
  check(cudaStreamSynchronize(stream()), "work enqueued on GPU {} failed", index_);
}

void Device::begin_recording() {
  check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeThreadLocal),
        "recording a step on GPU {}", index_);
  recording_ = true;
}

cudaGraph_t Device::end_recording(bool failed) {
  recording_ = false;
  cudaGraph_t graph = nullptr;
  const cudaError_t status = cudaStreamEndCapture(stream(), &graph);
  if (failed) {
    if (graph) cudaGraphDestroy(graph);
    cudaGetLastError();  // not sticky: the reason is under way as an exception
    return nullptr;
  }
  check(status, "recording a step on GPU {}", index_);
  return graph;
}

}  // namespace earshot::cuda
