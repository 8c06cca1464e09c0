// Files that appear whole or not at all, memory-mapped reading, and the one-writer lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace earshot {

namespace fs = std::filesystem;

/// Writes a file beside `path`, fsyncs it, renames it over `path`, fsyncs the folder.
/// The file appears at `commit()`; destroyed before that, nothing of it remains.
/// Every failure (no folder, no permission, disk full, not a regular file) throws Error naming
/// `path`; after it the file can no longer be committed. A link is followed, not replaced.
/// What a killed process left beside `path` is removed first; a living writer holds a lock on its
/// own (flock, where the file system has it).
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
  void require_open() const;
  void discard() noexcept;
  [[noreturn]] void fail_write(int error);
  fs::path path_;
  fs::path temporary_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

void write_file(const fs::path& path, std::string_view content);

/// Removes the temporary files of AtomicFile in `folder` whose name begins so and whose process is
/// dead; for files whose name depends on their content. Never throws.
void remove_abandoned(const fs::path& folder, std::string_view beginning);

/// Whole file (or pipe) as text; Error names `path` when it is missing, a folder, or above
/// `max_bytes`.
std::string read_file(const fs::path& path, uint64_t max_bytes = uint64_t{1} << 31);

/// A read-only mapping of a whole regular file. Hazard: whoever shortens the file in place while
/// it is mapped kills this process (SIGBUS); AtomicFile replaces files and so never does.
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

/// Appends whole lines or records to a file (log.jsonl, TensorBoard events); each reaches the
/// kernel before return. Where the disk is full the begun record is cut off again.
class LineFile {
 public:
  /// Opens for appending after cutting the file to `keep_bytes` (for resuming); Error when it
  /// holds fewer.
  LineFile(fs::path path, uint64_t keep_bytes);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// `line` comes without a newline; it must not contain one.
  void append(std::string_view line);
  /// Exactly these bytes.
  void append_record(std::string_view bytes);
  uint64_t size() const { return size_; }

 private:
  fs::path path_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

/// Exclusive advisory lock on `folder`/.lock, freed by the kernel when the process ends.
/// Throws Error naming the process and host that hold it. The file stays behind.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

/// 64-bit hash for checksums of content, not cryptographic: four interleaved multiply-xorshift
/// lanes over 8-byte words. A change within one word always changes it. Chain pieces by passing
/// the last hash as `seed`; the value depends on where the pieces are cut.
uint64_t content_hash(std::span<const std::byte> bytes, uint64_t seed = 0);

}  // namespace earshot
