// The way to the CUDA plug-in. Nothing of CUDA is linked: the driver is asked first, then
// `../lib/libearshot_cuda.so` (from the program's own folder; the tests, one folder deeper, have it
// in `../../lib`) is loaded with the libraries it needs.
#pragma once

#include <memory>
#include <string>

#include "engine/backend.h"

namespace earshot {

/// The CUDA backend on GPU `index`, or none, and in `why_not` one clause that says why.
std::unique_ptr<Backend> open_cuda_backend(int index, std::string& why_not);

/// What the plug-in exports as "earshot_open_cuda": a backend owned by the caller, or null and the
/// reason. Does not throw.
using OpenCuda = Backend* (*)(int index, std::string& why_not);

}  // namespace earshot
