// `--device auto | cpu | cuda[:i]`: the backend to run on.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"

namespace earshot {

/// `auto` takes a GPU where one can be used, else the CPU, and says in one log line what it chose
/// and why not the other. Throws UsageError for another word, Error where `cuda` was asked for and
/// cannot be had. `threads` 0: all cores.
std::unique_ptr<Backend> select_backend(const std::string& device, int threads);

}  // namespace earshot
