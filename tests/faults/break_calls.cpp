// Preloaded into a program (LD_PRELOAD): the n-th call that changes a file below a folder fails, is
// cut short, or is the last thing that the process does. Controlled by
//   EARSHOT_FAULT         kind:n, n from 1; kinds: count, kill, eio, enospc, short
//   EARSHOT_FAULT_FOLDER  only files below it count, as /proc names them
//   EARSHOT_FAULT_COUNT   file that gets the number of calls when the process ends (kind count)
// eio strikes once, enospc from the n-th call on (a disk stays full); short lets a write take half
// of its bytes, which is no error.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

struct Plan {
  std::string kind, folder, count_file;
  long at = 0;
};

Plan read_plan() {
  const auto text = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  const std::string fault = text("EARSHOT_FAULT");
  const size_t colon = fault.find(':');
  if (colon == std::string::npos) return {};
  return {fault.substr(0, colon), text("EARSHOT_FAULT_FOLDER") + "/", text("EARSHOT_FAULT_COUNT"),
          std::atol(fault.c_str() + colon + 1)};
}

const Plan& plan() {
  static const Plan& plan = *new Plan(read_plan());  // outlives what runs at exit
  return plan;
}

std::atomic<long> calls{0};

struct Report {
  ~Report() {
    if (plan().kind != "count") return;
    if (std::FILE* file = std::fopen(plan().count_file.c_str(), "w")) {
      std::fprintf(file, "%ld\n", calls.load());
      std::fclose(file);
    }
  }
};
const Report report;

bool below(std::string_view path) { return path.starts_with(plan().folder); }

bool watched(int fd) {
  if (plan().kind.empty()) return false;
  std::array<char, 64> link{};
  std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", fd);
  std::array<char, 4096> path{};
  const ssize_t length = ::readlink(link.data(), path.data(), path.size());
  return length > 0 && below({path.data(), static_cast<size_t>(length)});
}

enum class Verdict { kGoOn, kFail, kShort };

/// Counts a call on a watched file; sets errno where it is to fail.
Verdict strike() {
  const long call = ++calls;
  const std::string& kind = plan().kind;
  if (kind == "enospc" && call >= plan().at) {
    errno = ENOSPC;
    return Verdict::kFail;
  }
  if (call != plan().at) return Verdict::kGoOn;
  if (kind == "kill") ::kill(::getpid(), SIGKILL);
  if (kind == "short") return Verdict::kShort;
  if (kind != "eio") return Verdict::kGoOn;
  errno = EIO;
  return Verdict::kFail;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t bytes) {
  static const auto real = next<ssize_t(int, const void*, size_t)>("write");
  const Verdict verdict = watched(fd) ? strike() : Verdict::kGoOn;
  if (verdict == Verdict::kFail) return -1;
  return real(fd, data, verdict == Verdict::kShort ? (bytes + 1) / 2 : bytes);
}

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  static const auto real = next<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  const Verdict verdict = watched(fd) ? strike() : Verdict::kGoOn;
  if (verdict == Verdict::kFail) return -1;
  return real(fd, data, verdict == Verdict::kShort ? (bytes + 1) / 2 : bytes, offset);
}

int fsync(int fd) {
  static const auto real = next<int(int)>("fsync");
  return watched(fd) && strike() == Verdict::kFail ? -1 : real(fd);
}

int ftruncate(int fd, off_t length) noexcept {
  static const auto real = next<int(int, off_t)>("ftruncate");
  return watched(fd) && strike() == Verdict::kFail ? -1 : real(fd, length);
}

int rename(const char* from, const char* to) noexcept {
  static const auto real = next<int(const char*, const char*)>("rename");
  return below(to) && strike() == Verdict::kFail ? -1 : real(from, to);
}

}  // extern "C"
