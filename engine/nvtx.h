// Ranges on the time line of NVIDIA's profilers. Header-only and without a library to link; built
// without EARSHOT_NVTX they are nothing.
#pragma once

#ifdef EARSHOT_NVTX
#include <nvtx3/nvToolsExt.h>
#endif

namespace earshot {

#ifdef EARSHOT_NVTX
constexpr bool kHasNvtx = true;
inline void nvtx_push(const char* name) { nvtxRangePushA(name); }
inline void nvtx_pop() { nvtxRangePop(); }
#else
constexpr bool kHasNvtx = false;
inline void nvtx_push(const char*) {}
inline void nvtx_pop() {}
#endif

}  // namespace earshot
