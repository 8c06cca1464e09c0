// The safetensors file format: an 8-byte little-endian header length, a JSON header of named
// tensors and string metadata, then raw tensor bytes. Read by Python's `safetensors` unchanged.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/files.h"

namespace earshot {

enum class SafetensorsType { kF32, kF64, kI64, kU8 };

struct SafetensorsEntry {
  std::string name;
  SafetensorsType type = SafetensorsType::kF32;
  std::vector<int64_t> shape;
  std::span<const std::byte> bytes;  // shape x type size, row-major, little-endian
};

using Metadata = std::map<std::string, std::string>;

/// Writes atomically. The header names the tensors in the order given; the data lie widest type
/// first, so that each is aligned to its type without the gaps that the format forbids. A
/// metadata entry "content_hash" over the metadata, names, types, shapes and bytes is added. Throws
/// Error for names that repeat, are empty or reserved, and for bytes that do not fit the shape.
void write_safetensors(const fs::path& path, const std::vector<SafetensorsEntry>& tensors,
                       const Metadata& metadata);

/// A checked, memory-mapped file. The constructor throws Error for anything that is not a valid
/// file: truncated, tensors that overlap, leave gaps, are out of range or not aligned to their
/// type, duplicate names, header above 100 MB, more than 16 dimensions, a type not listed above,
/// wrong content hash where the file carries one.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const fs::path& path);
  const fs::path& path() const { return path_; }
  const Metadata& metadata() const { return metadata_; }
  /// In the order of the header; the bytes live as long as this object.
  const std::vector<SafetensorsEntry>& tensors() const { return tensors_; }
  /// nullptr when absent.
  const SafetensorsEntry* find(const std::string& name) const;
  /// Metadata value or Error naming the key and the file.
  const std::string& require_metadata(const std::string& key) const;

 private:
  fs::path path_;
  MappedFile file_;
  Metadata metadata_;
  std::vector<SafetensorsEntry> tensors_;
  std::map<std::string, size_t> by_name_;
};

}  // namespace earshot
