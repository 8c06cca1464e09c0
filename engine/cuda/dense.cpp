#include "engine/cuda/dense.h"

namespace earshot::cuda {
namespace {

constexpr size_t kWorkspace = size_t{32} << 20;

template <typename T>
void set(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t name, const T& value) {
  check(cublasLtMatmulDescSetAttribute(operation, name, &value, sizeof value), "a matrix product");
}

Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy> layout(int64_t rows, int64_t columns) {
  cublasLtMatrixLayout_t raw = nullptr;
  check(cublasLtMatrixLayoutCreate(&raw, CUDA_R_32F, static_cast<uint64_t>(rows),
                                   static_cast<uint64_t>(columns), rows),
        "a matrix of {} x {}", rows, columns);
  return Owned<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>(raw);
}

cublasLtEpilogue_t epilogue(const Product& p) {
  const bool relu = p.activation == Activation::kRelu;
  if (p.bias) return relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
  return relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
}

}  // namespace

Products::Planned Products::plan(const Product& p) const {
  Planned planned;
  cublasLtMatmulDesc_t operation = nullptr;
  check(cublasLtMatmulDescCreate(
            &operation,
            p.precision == Precision::kF32 ? CUBLAS_COMPUTE_32F : CUBLAS_COMPUTE_32F_FAST_TF32,
            CUDA_R_32F),
        "a matrix product");
  planned.operation.reset(operation);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSA, p.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(operation, CUBLASLT_MATMUL_DESC_TRANSB, p.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue(p));
  planned.a = p.transpose_a ? layout(p.k, p.m) : layout(p.m, p.k);
  planned.b = p.transpose_b ? layout(p.n, p.k) : layout(p.k, p.n);
  planned.d = layout(p.m, p.n);
  cublasLtMatmulPreference_t raw = nullptr;
  check(cublasLtMatmulPreferenceCreate(&raw), "a matrix product");
  const Owned<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy> preference(raw);
  check(cublasLtMatmulPreferenceSetAttribute(raw, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                             &kWorkspace, sizeof kWorkspace),
        "a matrix product");
  cublasLtMatmulHeuristicResult_t best{};
  int found = 0;
  check(cublasLtMatmulAlgoGetHeuristic(device_.blas(), operation, planned.a.get(), planned.b.get(),
                                       planned.d.get(), planned.d.get(), raw, 1, &best, &found),
        "a plan of the product");
  if (found == 0) fail_device("cuBLASLt has no algorithm");
  planned.algorithm = best.algo;
  planned.workspace = best.workspaceSize;
  return planned;
}

void Products::run(const Product& p, const float* a, const float* b, const float* bias, float* d,
                   const char* layer) try {
  auto found = planned_.find(p);
  if (found == planned_.end()) found = planned_.emplace(p, plan(p)).first;
  const Planned& planned = found->second;
  if (p.bias) set(planned.operation.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  const float one = 1.0f, zero = 0.0f;
  check(cublasLtMatmul(device_.blas(), planned.operation.get(), &one, a, planned.a.get(), b,
                       planned.b.get(), &zero, d, planned.d.get(), d, planned.d.get(),
                       &planned.algorithm, device_.scratch(static_cast<int64_t>(planned.workspace)),
                       planned.workspace, device_.stream()),
        "running");
} catch (const Error& error) {
  fail_device("{}: matrix product {} x {} x {}: {}", layer, p.m, p.n, p.k, error.what());
}

}  // namespace earshot::cuda
