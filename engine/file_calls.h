// System calls on files with their errors in words; for files.cpp and atomic_file.cpp.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "engine/error.h"
#include "engine/files.h"

namespace earshot {

inline std::string reason(int error) { return std::generic_category().message(error); }

inline fs::path folder_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

inline std::string advice(int error, const fs::path& path) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "; free some space and run again with --resume where there is a run";
    case EFBIG:
      return "; raise the file size limit (ulimit -f) and run again with --resume where there is "
             "a run";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a folder that you may write to";
    case ENOENT:
      return fmt::format("; create the folder {} first", folder_of(path).string());
    default:
      return "";
  }
}

[[noreturn]] inline void fail_writing(const fs::path& path, int error) {
  fail("cannot write {}: {}{}", path.string(), reason(error), advice(error, path));
}

[[noreturn]] inline void fail_reading(const fs::path& path, int error) {
  fail("cannot read {}: {}", path.string(), reason(error));
}

/// Calls until it is not interrupted.
template <typename Call>
auto retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

/// Writes everything at the file's position; 0 or the error number.
inline int write_all(int fd, const void* data, size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = retry([&] { return ::write(fd, next, bytes); });
    if (done < 0) return errno;
    if (done == 0) return EIO;
    next += done;
    bytes -= static_cast<size_t>(done);
  }
  return 0;
}

/// Closes on every way out.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

}  // namespace earshot
