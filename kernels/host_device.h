// Functions that CUDA compiles for the device too.
#pragma once

#ifdef __CUDACC__
#define EARSHOT_HOST_DEVICE __host__ __device__
#else
#define EARSHOT_HOST_DEVICE
#endif
