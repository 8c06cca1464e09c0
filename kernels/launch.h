// What every launcher of a CUDA kernel may throw.
#pragma once

#include <stdexcept>

namespace earshot {

/// A kernel could not be launched: its name, its grid and the reason. An error of an earlier
/// asynchronous operation may surface here.
struct LaunchError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace earshot
