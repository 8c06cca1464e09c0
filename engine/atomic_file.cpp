#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "engine/file_calls.h"

namespace earshot {
namespace {

/// Some filesystems cannot sync a given kind of file and say so; that is no failure.
int sync_to_disk(int fd) {
  if (retry([&] { return ::fsync(fd); }) == 0) return 0;
  return errno == EINVAL || errno == ENOTSUP || errno == EROFS ? 0 : errno;
}

int sync_folder(const fs::path& folder) {
  const int fd = retry([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (fd < 0) return errno == EACCES ? 0 : errno;  // a folder may be writable but not readable
  const int error = sync_to_disk(fd);
  ::close(fd);
  return error;
}

/// Where a write to `path` must land: the end of links; Error for folders and devices.
fs::path writable_target(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) fail("cannot write {}: it is a folder", path.string());
  if (fs::exists(status) && !fs::is_regular_file(status))
    fail("cannot write {}: it is not a regular file", path.string());
  if (!path.has_filename()) fail("cannot write '{}': it does not name a file", path.string());
  if (!fs::is_symlink(fs::symlink_status(path, error))) return path;
  const fs::path target = fs::weakly_canonical(path, error);
  return error ? path : target;
}

constexpr std::string_view kPartial = ".partial";

/// Whether `name` is what AtomicFile calls its file: something.<process>[.<number>].partial
bool is_temporary(std::string_view name) {
  if (!name.ends_with(kPartial)) return false;
  name.remove_suffix(kPartial.size());
  const size_t digits = name.size() - (name.find_last_not_of("0123456789") + 1);
  return digits > 0 && digits + 1 < name.size() && name[name.size() - digits - 1] == '.';
}

/// Marks a new temporary file as one that a living process writes; false when remove_abandoned of
/// another process came in between and takes it away.
bool claim(int fd) {
  if (::flock(fd, LOCK_EX | LOCK_NB) < 0) return errno != EWOULDBLOCK;  // no locks here: unmarked
  struct stat status {};
  return ::fstat(fd, &status) == 0 && status.st_nlink > 0;
}

/// Removes `path` if nobody holds the lock that its writer holds.
void remove_unlocked(const fs::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) return;
  struct stat held {
  }, named{};
  if (::fstat(fd.get(), &held) < 0 || ::lstat(path.c_str(), &named) < 0) return;
  // The name may meanwhile be that of another file; while the lock is held, it stays this one's.
  if (S_ISREG(held.st_mode) && held.st_dev == named.st_dev && held.st_ino == named.st_ino)
    ::unlink(path.c_str());
}

}  // namespace

void remove_abandoned(const fs::path& folder, std::string_view beginning) {
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(beginning) && is_temporary(name)) remove_unlocked(entry->path());
  }
}

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  constexpr int kMostTries = 100;
  path_ = writable_target(path_);
  remove_abandoned(folder_of(path_), path_.filename().string() + ".");
  for (int i = 0; i < kMostTries; ++i) {
    temporary_ = path_;
    temporary_ += i == 0 ? fmt::format(".{}{}", ::getpid(), kPartial)
                         : fmt::format(".{}.{}{}", ::getpid(), i, kPartial);
    Descriptor fd(retry(
        [&] { return ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }));
    if (fd.get() < 0 && errno != EEXIST) fail_writing(path_, errno);
    if (fd.get() >= 0 && claim(fd.get())) {
      fd_ = fd.release();
      return;
    }
  }
  fail("cannot write {}: {} and others are in the way; remove them", path_.string(),
       temporary_.string());
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
  fd_ = -1;
}

void AtomicFile::fail_write(int error) {
  discard();
  fail_writing(path_, error);
}

void AtomicFile::require_open() const {
  if (fd_ < 0)
    fail("cannot write {}: it was already committed, or a write failed before", path_.string());
}

void AtomicFile::write(const void* data, size_t bytes) {
  require_open();
  if (const int error = write_all(fd_, data, bytes)) fail_write(error);
  size_ += bytes;
}

void AtomicFile::write_at(uint64_t offset, const void* data, size_t bytes) {
  require_open();
  if (offset > size_ || bytes > size_ - offset)
    fail("cannot overwrite bytes {} to {} of {}: it has only {}", offset, offset + bytes,
         path_.string(), size_);
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done =
        retry([&] { return ::pwrite(fd_, next, bytes, static_cast<off_t>(offset)); });
    if (done <= 0) fail_write(done < 0 ? errno : EIO);
    next += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<size_t>(done);
  }
}

void AtomicFile::commit() {
  require_open();
  if (const int error = sync_to_disk(fd_)) fail_write(error);
  // Closing tells of errors of network file systems; the lock must stay until the file has its
  // name.
  const Descriptor lock(::fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (lock.get() < 0) fail_write(errno);
  const int closed = ::close(std::exchange(fd_, -1));  // on Linux closed even when interrupted
  int error = closed < 0 && errno != EINTR ? errno : 0;
  if (error == 0 && ::rename(temporary_.c_str(), path_.c_str()) < 0) error = errno;
  if (error != 0) {
    ::unlink(temporary_.c_str());
    fail_writing(path_, error);
  }
  if ((error = sync_folder(folder_of(path_))) != 0) fail_writing(path_, error);
}

void write_file(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

}  // namespace earshot
