// Everything that a pass takes from the host for one batch, in one block of device memory with
// fixed places: one copy brings it there, and a recorded pass reads it anew each time.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/backend.h"

namespace earshot {

/// A batch as the host has it. Only the plan must be there.
struct PassData {
  GatherPlanView plan;
  std::span<const float> targets;        // [n, classes]
  std::span<const float> class_weights;  // [classes]
  StepScalars scalars;
};

class StepInputs {
 public:
  /// Room for `examples` of at most `clips` placed clips each, however often each is copied.
  StepInputs(int64_t examples, int64_t clips, int64_t classes);

  int64_t bytes() const { return bytes_; }
  void bind(void* block) { block_ = static_cast<char*>(block); }

  /// Enqueues the copy. Throws Error where the batch has not the room planned for it.
  void upload(Backend& backend, const PassData& data);

  // Where the parts lie on the device.
  const StepScalars* scalars() const { return at<StepScalars>(0); }
  GatherPlanView plan(int64_t n) const;
  Tensor targets() const;        // [examples, 1, 1, classes]
  Tensor class_weights() const;  // [1, 1, 1, classes]

 private:
  template <typename T>
  T* at(int64_t offset) const {
    return reinterpret_cast<T*>(block_ + offset);
  }
  template <typename T>
  void pack(int64_t offset, std::span<const T> values);

  int64_t examples_, clips_, classes_;
  int64_t first_placement_, placements_, class_weights_, targets_, positions_, bytes_;  // offsets
  char* block_ = nullptr;
  std::vector<std::byte> packed_;
};

}  // namespace earshot
