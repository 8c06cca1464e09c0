#include "engine/cuda/convolution_graphs.h"

#include <cuda_runtime.h>

namespace earshot::cuda {
namespace {

constexpr int64_t kConvolved = 100, kBiased = 101;  // uids of what never reaches memory

/// A channels-last tensor as cuDNN wants it: dimensions n, c, h, w with their strides.
Descriptor tensor(int64_t uid, const Shape& s, DType type, bool in_memory = true) {
  Descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE,
        type == DType::kBf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT);
  t.integers(CUDNN_ATTR_TENSOR_DIMENSIONS, {s.n, s.c, s.h, s.w});
  t.integers(CUDNN_ATTR_TENSOR_STRIDES, {s.features(), 1, s.w * s.c, s.c});
  t.integers(CUDNN_ATTR_TENSOR_UNIQUE_ID, {uid});
  t.integers(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {16});
  t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, !in_memory);
  t.finalize();
  return t;
}

Descriptor convolution(const ConvolutionShape& s) {
  Descriptor c(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  c.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  c.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
  c.integers(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
  c.integers(CUDNN_ATTR_CONVOLUTION_DILATIONS, {1, 1});
  c.integers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {1, 1});
  c.integers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {(s.kernel_h - 1) / 2, (s.kernel_w - 1) / 2});
  c.integers(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {s.kernel_h / 2, s.kernel_w / 2});
  c.finalize();
  return c;
}

Descriptor pointwise(cudnnPointwiseMode_t mode) {
  Descriptor p(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  p.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
  p.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  p.finalize();
  return p;
}

constexpr float kOne = 1.0f, kZero = 0.0f;

}  // namespace

std::vector<Descriptor> forward_graph(const ConvolutionShape& s, DType type) {
  const Descriptor convolved = tensor(kConvolved, s.unpooled(), DType::kF32, /*in_memory=*/false);
  const Descriptor biased = tensor(kBiased, s.unpooled(), DType::kF32, /*in_memory=*/false);
  Descriptor conv(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, tensor(kX, s.x(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, tensor(kWeight, s.weight(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, convolved);
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, convolution(s));
  conv.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, kOne);
  conv.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, kZero);
  conv.finalize();
  Descriptor add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  add.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, pointwise(CUDNN_POINTWISE_ADD));
  add.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, convolved);
  add.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, tensor(kBias, {1, 1, 1, s.c_out}, type));
  add.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, biased);
  add.finalize();
  Descriptor relu(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  relu.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
                  pointwise(CUDNN_POINTWISE_RELU_FWD));
  relu.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, biased);
  relu.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, tensor(kY, s.unpooled(), type));
  relu.finalize();
  std::vector<Descriptor> operations;
  operations.push_back(std::move(conv));
  operations.push_back(std::move(add));
  operations.push_back(std::move(relu));
  return operations;
}

std::vector<Descriptor> data_gradient_graph(const ConvolutionShape& s, DType type) {
  std::vector<Descriptor> operations;
  Descriptor& conv =
      operations.emplace_back(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR);
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, tensor(kX, s.x(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, tensor(kWeight, s.weight(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, tensor(kY, s.unpooled(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, convolution(s));
  conv.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_TYPE_FLOAT, kOne);
  conv.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA, CUDNN_TYPE_FLOAT, kZero);
  conv.finalize();
  return operations;
}

std::vector<Descriptor> weight_gradient_graph(const ConvolutionShape& s, DType type) {
  std::vector<Descriptor> operations;
  Descriptor& conv =
      operations.emplace_back(CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR);
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, tensor(kX, s.x(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                  tensor(kWeight, s.weight(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, tensor(kY, s.unpooled(), type));
  conv.descriptor(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, convolution(s));
  conv.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_TYPE_FLOAT, kOne);
  conv.set(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA, CUDNN_TYPE_FLOAT, kZero);
  conv.finalize();
  return operations;
}

PlanLimits convolution_limits(const Numerics& numerics) {
  return {256'000'000, numerics.precision != Precision::kF32, numerics.deterministic};
}

DType ConvolutionRequest::stored() const {
  return numerics.precision == Precision::kBf16 ? DType::kBf16 : DType::kF32;
}

std::string ConvolutionRequest::key(const char* operation) const {
  const ConvolutionShape& s = shape;
  return fmt::format("{} {}x{}x{}x{} to {} kernel {}x{} pool {}x{} {}{}", operation, s.n, s.h, s.w,
                     s.c_in, s.c_out, s.kernel_h, s.kernel_w, s.pool_h, s.pool_w,
                     to_string(numerics.precision), numerics.deterministic ? " deterministic" : "");
}

namespace {

/// One of the three graphs.
struct Wanted {
  const char* operation;
  std::vector<Descriptor> graph;
  std::vector<BufferNeed> buffers;
};

Plan choose_plan(const ConvolutionRequest& request, const Wanted& wanted, const PlanTarget& target,
                 PlanChoices& choices, const PlanTrials& trials) try {
  const PlanLimits limits = convolution_limits(request.numerics);
  const std::vector<Candidate> found = candidates(wanted.graph, target, limits);
  std::vector<std::optional<Plan>> plans(found.size());
  PlanOptions options;
  for (const Candidate& candidate : found) options.names.push_back(candidate.name);
  options.usable = [&](size_t i) {
    plans[i] = try_plan(found[i], target, limits);
    return plans[i].has_value();
  };
  PlanTrial trial;
  if (trials)
    options.milliseconds = [&](size_t i) {
      if (!trial) trial = trials(wanted.buffers);
      return trial(*plans[i]);
    };
  const size_t best = choices.choose(request.key(wanted.operation), options);
  if (best == found.size()) {
    if (const cudaError_t lost = target.handle ? cudaDeviceSynchronize() : cudaSuccess)
      fail_device("CUDA: {}", cudaGetErrorString(lost));
    fail_device("cuDNN has no plan within {:.0f} MB of workspace ({} engines tried)",
                1e-6 * static_cast<double>(limits.workspace), found.size());
  }
  return std::move(*plans[best]);
} catch (const Error& error) {
  fail_device("layer {}: {} of a convolution of {} by {}: {}", request.layer, wanted.operation,
              to_string(request.shape.x()), to_string(request.shape.weight()), error.what());
}

}  // namespace

ConvolutionPlans plan_convolution(const ConvolutionRequest& request, const PlanTarget& target,
                                  PlanChoices& choices, const PlanTrials& trials) {
  const ConvolutionShape& s = request.shape;
  const DType type = request.stored();
  const auto need = [&](int64_t uid, const Shape& shape) {
    return BufferNeed{uid, shape.count() * bytes_of(type)};
  };
  const BufferNeed x = need(kX, s.x()), weight = need(kWeight, s.weight()),
                   bias = need(kBias, {1, 1, 1, s.c_out}), y = need(kY, s.unpooled());
  const auto plan = [&](const Wanted& wanted) {
    return choose_plan(request, wanted, target, choices, trials);
  };
  const Gradients gradients = request.use.gradients;
  ConvolutionPlans plans{plan({"forward", forward_graph(s, type), {x, weight, bias, y}}), {}, {}};
  if (gradients == Gradients::kWeightAndInput)
    plans.data_gradient = plan({"data gradient", data_gradient_graph(s, type), {x, weight, y}});
  if (gradients != Gradients::kNone)
    plans.weight_gradient =
        plan({"weight gradient", weight_gradient_graph(s, type), {x, weight, y}});
  choices.save();
  return plans;
}

}  // namespace earshot::cuda
