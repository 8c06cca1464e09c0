// Matrix products on cuBLASLt with bias and ReLU in the epilogue. Column-major, as cuBLAS thinks:
// a row-major tensor [n, c] is the matrix [c, n].
#pragma once

#include <map>
#include <string>

#include "engine/cuda/device.h"

namespace earshot::cuda {

/// d [m, n] = activation(op(a) op(b) + bias); bias [m], where there is one.
struct Product {
  bool transpose_a, transpose_b;
  int64_t m, n, k;
  bool bias = false;
  Activation activation = Activation::kNone;
  Precision precision = Precision::kF32;
  auto operator<=>(const Product&) const = default;
};

/// Plans each product once.
class Products {
 public:
  explicit Products(Device& device) : device_(device) {}
  /// `layer` names errors.
  void run(const Product& product, const float* a, const float* b, const float* bias, float* d,
           const char* layer);

 private:
  struct Planned {
    Owned<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy> operation;
    Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> a, b, d;
    cublasLtMatmulAlgo_t algorithm;
    size_t workspace;
  };
  Planned plan(const Product& product) const;
  Device& device_;
  std::map<Product, Planned> planned_;
};

}  // namespace earshot::cuda
