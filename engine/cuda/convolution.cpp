#include "engine/cuda/convolution.h"

#include <algorithm>

#include "engine/cuda/convolution_graphs.h"
#include "kernels/activation.h"
#include "kernels/pool.h"
#include "kernels/reduce.h"

namespace earshot::cuda {
namespace {

/// Plans give the same bits in every run: a resumed training continues bit for bit.
constexpr bool kDeterministic = true;

/// Hands out aligned pieces of the scratch tensor; with no memory it only counts.
class Pieces {
 public:
  explicit Pieces(void* base = nullptr) : base_(static_cast<char*>(base)) {}
  void* take(int64_t bytes) {
    char* piece = base_ + used_;
    used_ += (bytes + 255) / 256 * 256;
    return piece;
  }
  int64_t used() const { return used_; }

 private:
  char* base_;
  int64_t used_ = 0;
};

class CudaConvolution : public Convolution {
 public:
  CudaConvolution(Device& device, const ConvolutionShape& shape, Precision precision,
                  const std::string& layer)
      : device_(device),
        s_(shape),
        layer_(layer),
        plans_(shape, {device.cudnn(), nullptr}, convolution_limits(precision, kDeterministic),
               layer) {}

  int64_t forward_scratch() const override { return ForwardScratch(*this, nullptr).bytes; }
  int64_t backward_scratch() const override { return BackwardScratch(*this, nullptr).bytes; }

  void forward(const ConvolutionForward& t) override {
    check_shape(t.x, s_.x(), "convolution");
    check_shape(t.weight, s_.weight(), "convolution");
    check_shape(t.y, s_.y(), "convolution");
    const ForwardScratch scratch(*this, t.scratch.data);
    float* unpooled = s_.pooled() ? scratch.unpooled : t.y.f32();
    run("forward", plans_.forward,
        {{kX, t.x.data}, {kWeight, t.weight.data}, {kBias, t.bias.data}, {kY, unpooled}},
        scratch.workspace);
    if (s_.pooled())
      launching("max-pool", t.y, [&] {
        max_pool_forward(pool(), unpooled, t.y.f32(), t.argmax.u8(), device_.stream());
      });
  }

  void backward(const ConvolutionBackward& t) override {
    check_shape(t.dy, s_.y(), "convolution backward");
    check_shape(t.x, s_.x(), "convolution backward");
    const BackwardScratch scratch(*this, t.scratch.data);
    float* gradient = s_.pooled() ? scratch.unpooled : t.dy.f32();
    launching("convolution backward", t.dy, [&] {
      const cudaStream_t stream = device_.stream();
      relu_backward(t.dy.shape.count(), t.y.f32(), t.dy.f32(), stream);
      // Cells that lost their window carry no gradient: the pooled rows hold the whole sum.
      column_sums(t.dy.shape.rows(), s_.c_out, t.dy.f32(), scratch.sums, t.dbias.f32(), stream);
      if (s_.pooled())
        max_pool_relu_backward(pool(), t.y.f32(), t.argmax.u8(), t.dy.f32(), gradient, stream);
    });
    run("weight gradient", plans_.weight_gradient,
        {{kX, t.x.data}, {kY, gradient}, {kWeight, t.dweight.data}}, scratch.workspace);
    if (t.dx.data)
      run("data gradient", plans_.data_gradient,
          {{kY, gradient}, {kWeight, t.weight.data}, {kX, t.dx.data}}, scratch.workspace);
  }

  std::string implementation() const override {
    return fmt::format("cuDNN engines {} | {} | {}", plans_.forward.engine(),
                       plans_.data_gradient.engine(), plans_.weight_gradient.engine());
  }

 private:
  struct ForwardScratch {
    ForwardScratch(const CudaConvolution& c, void* base) {
      Pieces pieces(base);
      workspace = pieces.take(c.plans_.forward.workspace());
      unpooled = static_cast<float*>(pieces.take(c.unpooled_bytes()));
      bytes = pieces.used();
    }
    void* workspace;
    float* unpooled;
    int64_t bytes;
  };
  struct BackwardScratch {
    BackwardScratch(const CudaConvolution& c, void* base) {
      Pieces pieces(base);
      workspace = pieces.take(
          std::max(c.plans_.data_gradient.workspace(), c.plans_.weight_gradient.workspace()));
      unpooled = static_cast<float*>(pieces.take(c.unpooled_bytes()));
      sums = static_cast<float*>(
          pieces.take(column_sums_scratch(c.s_.y().rows(), c.s_.c_out) * bytes_of(DType::kF32)));
      bytes = pieces.used();
    }
    void* workspace;
    float *unpooled, *sums;
    int64_t bytes;
  };

  void run(const char* what, const Plan& plan, std::initializer_list<Binding> bindings,
           void* workspace) const {
    check(plan.run(device_.cudnn(), bindings, workspace),
          "layer {}: {} of a convolution of {} by {}", layer_, what, to_string(s_.x()),
          to_string(s_.weight()));
  }
  int64_t unpooled_bytes() const {
    return s_.pooled() ? s_.unpooled().count() * bytes_of(DType::kF32) : 0;
  }
  PoolShape pool() const { return {s_.n, s_.h, s_.w, s_.c_out, s_.pool_h, s_.pool_w}; }

  Device& device_;
  ConvolutionShape s_;
  std::string layer_;
  ConvolutionPlans plans_;
};

}  // namespace

std::unique_ptr<Convolution> make_convolution(Device& device, const ConvolutionShape& shape,
                                              Precision precision, const std::string& layer) {
  return std::make_unique<CudaConvolution>(device, shape, precision, layer);
}

}  // namespace earshot::cuda
