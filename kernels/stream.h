// The stream of a CUDA device that a launch is enqueued on, without a header of CUDA.
#pragma once

struct CUstream_st;

namespace earshot {

using Stream = CUstream_st*;

}  // namespace earshot
