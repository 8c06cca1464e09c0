#include "engine/cuda/recording.h"

namespace earshot::cuda {
namespace {

class GraphRecording : public RecordedWork {
 public:
  GraphRecording(const Device& device, cudaGraph_t graph)
      : device_(device), scratch_(device.keep_scratch()) {
    cudaGraphExec_t executable = nullptr;
    check(cudaGraphInstantiate(&executable, graph, 0), "the graph of a step on GPU {}",
          device.index());
    executable_.reset(executable);
    check(cudaGraphUpload(executable, device.stream()), "the graph of a step on GPU {}",
          device.index());
  }
  void replay() override {
    check(cudaGraphLaunch(executable_.get(), device_.stream()), "running a recorded step on GPU {}",
          device_.index());
  }

 private:
  const Device& device_;
  std::shared_ptr<const DeviceMemory> scratch_;
  Owned<cudaGraphExec_t, cudaGraphExecDestroy> executable_;
};

class PinnedMailbox : public Mailbox {
 public:
  PinnedMailbox(const Device& device, const void* from, int64_t bytes)
      : device_(device), from_(from), bytes_(static_cast<size_t>(bytes)) {
    for (Slot& slot : slots_) slot = device.pinned_slot(bytes);
  }
  void send() override {
    if (sent_ - received_ == kCapacity) fail("GPU {}: nobody reads its mailbox", device_.index());
    Slot& slot = slots_[static_cast<size_t>(sent_++ % kCapacity)];
    check(
        cudaMemcpyAsync(slot.memory.get(), from_, bytes_, cudaMemcpyDeviceToHost, device_.stream()),
        "a report of GPU {}", device_.index());
    check(cudaEventRecord(slot.copied.get(), device_.stream()), "a report of GPU {}",
          device_.index());
  }
  const void* receive(bool wait) override {
    if (sent_ == received_) return nullptr;
    const Slot& slot = slots_[static_cast<size_t>(received_ % kCapacity)];
    const cudaError_t status =
        wait ? cudaEventSynchronize(slot.copied.get()) : cudaEventQuery(slot.copied.get());
    if (status == cudaErrorNotReady) {
      cudaGetLastError();  // not an error: nothing later must report it
      return nullptr;
    }
    check(status, "work enqueued on GPU {} failed", device_.index());
    ++received_;
    return slot.memory.get();
  }

 private:
  using Slot = Device::Slot;
  const Device& device_;
  const void* from_;
  size_t bytes_;
  std::array<Slot, kCapacity> slots_;
  int64_t sent_ = 0, received_ = 0;
};

}  // namespace

std::unique_ptr<RecordedWork> record_graph(Device& device, const std::function<void()>& enqueue) {
  device.begin_recording();
  try {
    enqueue();
  } catch (...) {
    device.end_recording(/*failed=*/true);
    throw;
  }
  const Owned<cudaGraph_t, cudaGraphDestroy> graph(device.end_recording(/*failed=*/false));
  return std::make_unique<GraphRecording>(device, graph.get());
}

std::unique_ptr<Mailbox> make_mailbox(const Device& device, const void* from, int64_t bytes) {
  return std::make_unique<PinnedMailbox>(device, from, bytes);
}

}  // namespace earshot::cuda
