#include "engine/cuda/convolution.h"

#include <algorithm>

#include "engine/cuda/convolution_trial.h"
#include "engine/pieces.h"
#include "kernels/activation.h"
#include "kernels/philox.h"
#include "kernels/pool.h"
#include "kernels/pooled_conv.h"
#include "kernels/reduce.h"

namespace earshot::cuda {
namespace {

/// From this many cells a window on, a backward over the winners can beat a dense one.
constexpr int64_t kSparsePool = 8;

/// Calls work(T*), T being what the activations are stored as.
template <typename Work>
void as_stored(DType type, const Work& work) {
  if (type == DType::kBf16)
    work(static_cast<Bf16*>(nullptr));
  else
    work(static_cast<float*>(nullptr));
}

class CudaConvolution : public Convolution {
 public:
  CudaConvolution(Device& device, PlanChoices& choices, const ConvolutionRequest& request)
      : device_(device),
        request_(request),
        plans_(plan_convolution(request, {device.cudnn(), nullptr}, choices, plan_trials(device))) {
    if (trains() && s_.pooled()) choose_backward(choices);
  }

  int64_t forward_scratch() const override { return ForwardScratch(*this, nullptr).bytes; }
  int64_t backward_scratch() const override {
    return trains() ? BackwardScratch(*this, nullptr).bytes : 0;
  }

  void forward(const ConvolutionForward& t) override {
    check_shape(t.x, s_.x(), "convolution");
    check_shape(t.weight, s_.weight(), "convolution");
    check_shape(t.y, s_.y(), "convolution");
    const ForwardScratch scratch(*this, t.scratch.data);
    void* const unpooled = s_.pooled() ? scratch.unpooled : t.y.data;
    run("forward", plans_.forward,
        {{kX, stored_input(t.x, scratch.x)},
         {kWeight, t.weight.data},
         {kBias, t.bias.data},
         {kY, unpooled}},
        scratch.workspace);
    if (!s_.pooled()) return;
    launching("max-pool", t.y, [&] {
      as_stored(stored_, [&]<typename T>(T*) {
        max_pool_forward(pool(), static_cast<const T*>(unpooled), static_cast<T*>(t.y.data),
                         t.argmax.u8(), device_.stream());
      });
    });
  }

  void backward(const ConvolutionBackward& t) override {
    check_shape(t.dy, s_.y(), "convolution backward");
    check_shape(t.x, s_.x(), "convolution backward");
    if (sparse_)
      sparse_backward(t);
    else
      dense_backward(t);
  }

  std::string implementation() const override {
    const auto name = [](const std::optional<Plan>& plan) { return plan ? plan->name() : "none"; };
    return fmt::format("cuDNN {} | {}", plans_.forward.name(),
                       sparse_ ? "winners only"
                               : fmt::format("cuDNN {} | cuDNN {}", name(plans_.data_gradient),
                                             name(plans_.weight_gradient)));
  }

 private:
  struct ForwardScratch {
    ForwardScratch(const CudaConvolution& c, void* base) {
      Pieces pieces(base);
      workspace = pieces.take(c.plans_.forward.workspace());
      unpooled = pieces.take(c.unpooled_bytes());
      x = pieces.take(c.rounded_bytes(c.s_.x()));
      bytes = pieces.used();
    }
    void *workspace, *unpooled, *x;
    int64_t bytes;
  };
  struct BackwardScratch {
    BackwardScratch(const CudaConvolution& c, void* base) {
      Pieces pieces(base);
      if (c.sparse_) {
        sums =
            static_cast<float*>(pieces.take(pooled_conv_scratch(c.pooled_shape()) * kFloatBytes));
        bytes = pieces.used();
        return;
      }
      const auto workspace_of = [](const std::optional<Plan>& p) { return p ? p->workspace() : 0; };
      workspace = pieces.take(
          std::max(workspace_of(c.plans_.data_gradient), workspace_of(c.plans_.weight_gradient)));
      unpooled = pieces.take(c.unpooled_bytes());
      x = pieces.take(c.rounded_bytes(c.s_.x()));
      dweight = pieces.take(c.rounded_bytes(c.s_.weight()));
      sums = static_cast<float*>(
          pieces.take(column_sums_scratch(c.s_.y().rows(), c.s_.c_out) * kFloatBytes));
      bytes = pieces.used();
    }
    void *workspace = nullptr, *unpooled = nullptr, *x = nullptr, *dweight = nullptr;
    float* sums = nullptr;
    int64_t bytes = 0;
  };

  void sparse_backward(const ConvolutionBackward& t) const {
    const BackwardScratch scratch(*this, t.scratch.data);
    launching("pooled convolution backward", t.dy, [&] {
      pooled_conv_backward(pooled_shape(),
                           {t.x.f32(), t.weight.f32(), t.y.f32(), t.argmax.u8(), t.dy.f32(),
                            t.dx.f32(), t.dweight.f32(), t.dbias.f32(), scratch.sums},
                           device_.stream());
    });
  }

  void dense_backward(const ConvolutionBackward& t) const {
    const BackwardScratch scratch(*this, t.scratch.data);
    void* const gradient = s_.pooled() ? scratch.unpooled : t.dy.data;
    launching("convolution backward", t.dy, [&] {
      as_stored(stored_, [&]<typename T>(T*) {
        const cudaStream_t stream = device_.stream();
        const T* y = static_cast<const T*>(t.y.data);
        T* dy = static_cast<T*>(t.dy.data);
        relu_backward(t.dy.shape.count(), y, dy, stream);
        // Cells that lost their window carry no gradient: the pooled rows hold the whole sum.
        column_sums(t.dy.shape.rows(), s_.c_out, dy, scratch.sums, t.dbias.f32(), stream);
        if (s_.pooled())
          max_pool_relu_backward(pool(), y, t.argmax.u8(), dy, static_cast<T*>(gradient), stream);
      });
    });
    const bool rounds = stored_ == DType::kBf16;  // cuDNN has no float32 sum of bf16 products here
    run("weight gradient", *plans_.weight_gradient,
        {{kX, stored_input(t.x, scratch.x)},
         {kY, gradient},
         {kWeight, rounds ? scratch.dweight : t.dweight.data}},
        scratch.workspace);
    if (rounds)
      launching("widening", t.dweight, [&] {
        convert(s_.weight().count(), static_cast<const Bf16*>(scratch.dweight), t.dweight.f32(),
                device_.stream());
      });
    if (t.dx.data)
      run("data gradient", *plans_.data_gradient,
          {{kY, gradient}, {kWeight, t.weight.data}, {kX, t.dx.data}}, scratch.workspace);
  }

  /// x, or where it is the network's float32 input to a bf16 graph, a rounded copy in `copy`.
  void* stored_input(const Tensor& x, void* copy) const {
    if (x.type == stored_) return x.data;
    launching("rounding", x, [&] {
      convert(x.shape.count(), x.f32(), static_cast<Bf16*>(copy), device_.stream());
    });
    return copy;
  }

  /// Measures both ways where both are possible.
  void choose_backward(PlanChoices& choices) {
    const bool possible = stored_ == DType::kF32;
    const PooledBackward wish = request_.use.pooled;
    if (wish == PooledBackward::kSparse && !possible)
      fail_usage("layer {}: the backward over winners computes in fp32 and tf32", request_.layer);
    sparse_ = wish == PooledBackward::kSparse;
    if (wish != PooledBackward::kFastest || !possible || s_.pool_h * s_.pool_w < kSparsePool)
      return;
    PlanOptions options{{"dense", "winners only"}, [](size_t) { return true; }, {}};
    options.milliseconds = [&](size_t i) {
      sparse_ = i == 1;
      return backward_milliseconds();
    };
    sparse_ = choices.choose(request_.key("backward"), options) == 1;
    choices.save();
  }

  /// Every window has a positive winner in a cell of its own draw: the most work there can be.
  double backward_milliseconds() {
    TrialMemory memory(device_);
    const auto take = [&](const Shape& shape) { return memory.tensor(shape, stored_, "trial"); };
    const Tensor argmax = memory.tensor(s_.y(), DType::kU8, "trial");
    const auto cells = static_cast<uint64_t>(s_.pool_h * s_.pool_w);
    std::vector<uint8_t> winners(static_cast<size_t>(argmax.bytes()));
    Random random(0, Purpose::kShuffle, 0, 0);
    for (uint8_t& winner : winners) winner = static_cast<uint8_t>(random.below(cells));
    device_.upload(argmax.data, winners.data(), argmax.bytes(), "a trial of plans");
    const bool wants_dx = request_.use.gradients == Gradients::kWeightAndInput;
    const ConvolutionBackward t{take(s_.x()),
                                take(s_.weight()),
                                take(s_.y()),
                                argmax,
                                take(s_.y()),
                                wants_dx ? take(s_.x()) : Tensor{},
                                take(s_.weight()),
                                take({1, 1, 1, s_.c_out}),
                                memory.tensor({1, 1, 1, backward_scratch()}, DType::kU8, "trial")};
    return trial_milliseconds(device_, [&] {
      backward(t);
      return true;
    });
  }

  void run(const char* what, const Plan& plan, const std::vector<Binding>& bindings,
           void* workspace) const {
    check(plan.run(device_.cudnn(), bindings, workspace),
          "layer {}: {} of a convolution of {} by {}", request_.layer, what, to_string(s_.x()),
          to_string(s_.weight()));
  }
  bool trains() const { return request_.use.gradients != Gradients::kNone; }
  int64_t unpooled_bytes() const {
    return s_.pooled() ? s_.unpooled().count() * bytes_of(stored_) : 0;
  }
  /// Of a copy that only bf16 needs.
  int64_t rounded_bytes(const Shape& shape) const {
    return stored_ == DType::kBf16 ? shape.count() * bytes_of(stored_) : 0;
  }
  PoolShape pool() const { return {s_.n, s_.h, s_.w, s_.c_out, s_.pool_h, s_.pool_w}; }
  PooledConvShape pooled_shape() const {
    return {s_.n, s_.h, s_.w, s_.c_in, s_.c_out, s_.kernel_h, s_.kernel_w, s_.pool_h, s_.pool_w};
  }

  Device& device_;
  ConvolutionRequest request_;
  const ConvolutionShape& s_ = request_.shape;
  const DType stored_ = request_.stored();
  ConvolutionPlans plans_;
  bool sparse_ = false;
};

}  // namespace

std::unique_ptr<Convolution> make_convolution(Device& device, PlanChoices& choices,
                                              const ConvolutionRequest& request) {
  return std::make_unique<CudaConvolution>(device, choices, request);
}

}  // namespace earshot::cuda
