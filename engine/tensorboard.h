// Scalars as TensorBoard event files: TFRecord framing (masked CRC32C) around Event protobufs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/files.h"

namespace earshot {

class EventWriter {
 public:
  /// Creates a new `events.out.tfevents.<seconds>.<host>.<pid>` file in `folder`, which exists.
  explicit EventWriter(const fs::path& folder);
  /// One scalar at a global step, wall time now; TensorBoard keeps it as float32.
  void scalar(const std::string& tag, int64_t step, double value);

 private:
  void record(const std::string& event);
  std::unique_ptr<LineFile> file_;
};

/// CRC-32C (Castagnoli), as TFRecord uses it before masking.
uint32_t crc32c(const void* data, size_t bytes);

}  // namespace earshot
