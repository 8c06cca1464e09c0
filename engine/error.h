// The kinds of failure a user meets. All carry one sentence: what, where, what to do.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace earshot {

/// The work failed (exit status 1): unreadable file, full disk, NaN in a loss.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A GPU does not do its work: it is lost, its memory is taken, a kernel trapped. What it held may
/// be gone; it may not answer again (exit status 1).
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// The call was wrong (exit status 2): unknown option, impossible config value.
class UsageError : public Error {
 public:
  using Error::Error;
};

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format(text, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void fail_device(fmt::format_string<Args...> text, Args&&... args) {
  throw DeviceError(fmt::format(text, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> text, Args&&... args) {
  throw UsageError(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace earshot
