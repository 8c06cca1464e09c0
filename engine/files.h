// Files that appear whole or not at all, memory-mapped reading, and the one-writer lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace earshot {

namespace fs = std::filesystem;

/// Writes a file beside `path`, fsyncs it, renames it over `path`, fsyncs the folder.
/// The file appears at `commit()`; destroyed before that, nothing of it remains.
/// Every failure (no folder, no permission, disk full, short write) throws Error naming `path`.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Overwrites bytes already written; `offset + bytes` must not pass the end.
  void write_at(uint64_t offset, const void* data, size_t bytes);
  uint64_t size() const { return size_; }
  void commit();

 private:
  fs::path path_;
  fs::path temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

void write_file(const fs::path& path, std::string_view content);

/// Whole file as text; Error names `path` when it is missing, a folder, or above `max_bytes`.
std::string read_file(const fs::path& path, uint64_t max_bytes = uint64_t{1} << 31);

/// A read-only mapping of a whole file.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Appends whole lines to a file (log.jsonl); each line reaches the kernel before return.
class LineFile {
 public:
  /// Opens for appending after cutting the file to `keep_bytes` (for resuming).
  LineFile(fs::path path, uint64_t keep_bytes);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void append(std::string_view line);
  uint64_t size() const { return size_; }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// Exclusive advisory lock on `folder`/.lock, freed by the kernel when the process ends.
/// Throws Error naming the process that holds it.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

/// 64-bit hash (FNV-1a over 8-byte words) for checksums of content; not cryptographic.
uint64_t content_hash(std::span<const std::byte> bytes, uint64_t seed = 0);

}  // namespace earshot
