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

/// Without a word: the GPU alone, for work that the CPU does in a way of its own. Null for `cpu`,
/// and for `auto` where no GPU can be used (`why_not` says why). Throws as above.
std::unique_ptr<Backend> select_gpu(const std::string& device, std::string& why_not);

}  // namespace earshot
