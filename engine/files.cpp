#include "engine/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "engine/error.h"
#include "engine/file_calls.h"

namespace earshot {

std::string read_file(const fs::path& path, uint64_t max_bytes) {
  const Descriptor fd(retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) < 0) fail_reading(path, errno);
  if (S_ISDIR(status.st_mode)) fail("cannot read {}: it is a folder, not a file", path.string());
  std::string content;
  if (S_ISREG(status.st_mode))
    content.reserve(std::min<uint64_t>(static_cast<uint64_t>(status.st_size), max_bytes));
  std::array<char, 1 << 16> piece;
  while (true) {
    const ssize_t got = retry([&] { return ::read(fd.get(), piece.data(), piece.size()); });
    if (got < 0) fail_reading(path, errno);
    if (got == 0) return content;
    if (static_cast<uint64_t>(got) > max_bytes - content.size())
      fail(
          "cannot read {}: it has more than the {} bytes expected of such a file; is it the "
          "right one?",
          path.string(), max_bytes);
    content.append(piece.data(), static_cast<size_t>(got));
  }
}

MappedFile::MappedFile(const fs::path& path) {
  // Non-blocking, so that a pipe is refused below instead of waited for.
  const Descriptor fd(
      retry([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK); }));
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) < 0) fail_reading(path, errno);
  if (S_ISDIR(status.st_mode)) fail("cannot read {}: it is a folder, not a file", path.string());
  if (!S_ISREG(status.st_mode)) fail("cannot read {}: it is not a regular file", path.string());
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (data == MAP_FAILED) fail_reading(path, errno);
  data_ = static_cast<const std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

LineFile::LineFile(fs::path path, uint64_t keep_bytes) : path_(std::move(path)) {
  Descriptor fd(retry(
      [&] { return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666); }));
  struct stat status {};
  if (fd.get() < 0 || ::fstat(fd.get(), &status) < 0) fail_writing(path_, errno);
  if (!S_ISREG(status.st_mode)) fail("cannot write {}: it is not a regular file", path_.string());
  if (static_cast<uint64_t>(status.st_size) < keep_bytes)
    fail(
        "cannot go on with {}: it has {} bytes where {} were written before; bring it back or "
        "start a new run",
        path_.string(), status.st_size, keep_bytes);
  if (retry([&] { return ::ftruncate(fd.get(), static_cast<off_t>(keep_bytes)); }) < 0)
    fail_writing(path_, errno);
  size_ = keep_bytes;
  fd_ = fd.release();
}

LineFile::~LineFile() { ::close(fd_); }

void LineFile::append(std::string_view line) {
  if (line.find('\n') != std::string_view::npos)
    fail("cannot append to {}: a line must not contain a newline", path_.string());
  append_record(std::string(line) + '\n');
}

void LineFile::append_record(std::string_view bytes) {
  if (const int error = write_all(fd_, bytes.data(), bytes.size())) {
    if (::ftruncate(fd_, static_cast<off_t>(size_)) < 0)
      fail("cannot write {}: {}; its last line is incomplete", path_.string(), reason(error));
    fail_writing(path_, error);
  }
  size_ += bytes.size();
}

FolderLock::FolderLock(const fs::path& folder) {
  const fs::path path = folder / ".lock";
  Descriptor fd(retry([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); }));
  if (fd.get() < 0) fail_writing(path, errno);
  if (retry([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) < 0) {
    if (errno != EWOULDBLOCK) fail("cannot lock {}: {}", folder.string(), reason(errno));
    std::array<char, 128> text{};
    const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
    std::string owner(text.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
    owner.resize(std::min(owner.find('\n'), owner.size()));
    fail("{} is in use by {}; wait until it ends, or choose another folder", folder.string(),
         owner.empty() ? "another process" : owner);
  }
  std::array<char, 64> host{};
  if (::gethostname(host.data(), host.size() - 1) < 0) host[0] = '\0';
  const std::string owner = fmt::format("process {} on {}\n", ::getpid(), host.data());
  int error = ::ftruncate(fd.get(), 0) < 0 ? errno : 0;
  if (error == 0) error = write_all(fd.get(), owner.data(), owner.size());
  if (error != 0) fail_writing(path, error);
  fd_ = fd.release();
}

FolderLock::~FolderLock() { ::close(fd_); }

namespace {

constexpr uint64_t kOdd = 0xD6E8FEB86659FD93u;

uint64_t stir(uint64_t h, uint64_t word) {
  h = (h ^ word) * kOdd;
  return h ^ (h >> 32);
}

uint64_t load(const std::byte* at, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, at, bytes);
  return word;
}

}  // namespace

uint64_t content_hash(std::span<const std::byte> bytes, uint64_t seed) {
  static_assert(std::endian::native == std::endian::little);
  constexpr size_t kWord = 8, kLanes = 4;
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  uint64_t h0 = seed, h1 = ~seed, h2 = seed + kOdd, h3 = seed - kOdd;
  for (; left >= kLanes * kWord; at += kLanes * kWord, left -= kLanes * kWord) {
    h0 = stir(h0, load(at, kWord));
    h1 = stir(h1, load(at + kWord, kWord));
    h2 = stir(h2, load(at + 2 * kWord, kWord));
    h3 = stir(h3, load(at + 3 * kWord, kWord));
  }
  uint64_t h = stir(stir(stir(stir(bytes.size(), h0), h1), h2), h3);
  for (; left > 0; at += std::min(left, kWord), left -= std::min(left, kWord))
    h = stir(h, load(at, std::min(left, kWord)));
  return stir(stir(h, 0), 0);
}

}  // namespace earshot
