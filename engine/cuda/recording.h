// A recorded step is a CUDA graph; a mailbox is pinned memory with an event for each copy.
#pragma once

#include "engine/cuda/device.h"

namespace earshot::cuda {

/// `device` must outlive what these return.
std::unique_ptr<RecordedWork> record_graph(Device& device, const std::function<void()>& enqueue);
std::unique_ptr<Mailbox> make_mailbox(const Device& device, const void* from, int64_t bytes);

}  // namespace earshot::cuda
