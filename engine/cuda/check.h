// Every call of a CUDA library is checked; the text is only put together when one fails.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>
#include <cudnn.h>
#include <cufft.h>

#include <string>
#include <utility>

#include "engine/error.h"
#include "engine/tensor.h"
#include "kernels/launch.h"

namespace earshot::cuda {

inline bool good(cudaError_t status) { return status == cudaSuccess; }
inline bool good(cudnnStatus_t status) { return status == CUDNN_STATUS_SUCCESS; }
inline bool good(cublasStatus_t status) { return status == CUBLAS_STATUS_SUCCESS; }
inline bool good(cufftResult status) { return status == CUFFT_SUCCESS; }

inline std::string reason(cudaError_t status) {
  return fmt::format("CUDA: {}", cudaGetErrorString(status));
}
inline std::string reason(cudnnStatus_t status) {
  return fmt::format("cuDNN: {}", cudnnGetErrorString(status));
}
inline std::string reason(cublasStatus_t status) {
  return fmt::format("cuBLAS: {}", cublasLtGetStatusString(status));
}
inline std::string reason(cufftResult status) {
  return fmt::format("cuFFT: error {}", static_cast<int>(status));
}

/// Throws DeviceError "<what, formatted>: <reason>" unless `status` is success.
template <typename Status, typename... Args>
void check(Status status, fmt::format_string<Args...> what, Args&&... args) {
  if (!good(status))
    fail_device("{}: {}", fmt::format(what, std::forward<Args>(args)...), reason(status));
}

/// Runs `work`, which launches kernels; names the operation and its tensor where that fails.
template <typename Work>
void launching(const char* operation, const Tensor& t, const Work& work) {
  try {
    work();
  } catch (const LaunchError& error) {
    fail_device("{} of {} {}: {}", operation, t.name, to_string(t.shape), error.what());
  }
}

}  // namespace earshot::cuda
