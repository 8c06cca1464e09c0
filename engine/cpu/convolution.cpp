#include "engine/cpu/convolution.h"

#include <omp.h>

#include <algorithm>

#include "engine/cpu/dense_convolution.h"
#include "kernels/line_conv.h"
#include "kernels/mono_conv.h"
#include "kernels/winograd.h"

namespace earshot {
namespace {

/// Checks shapes for our own kernels and unwraps tensors.
class OwnConvolution : public Convolution {
 public:
  explicit OwnConvolution(const ConvolutionShape& shape) : shape_(shape) {}

 protected:
  PooledConvForward unwrap(const ConvolutionForward& t) const {
    check_shape(t.x, shape_.x(), "convolution");
    check_shape(t.weight, shape_.weight(), "convolution");
    check_shape(t.y, shape_.y(), "convolution");
    return {t.x.f32(), t.weight.f32(), t.bias.f32(), t.y.f32(), t.argmax.u8()};
  }
  PooledConvBackward unwrap(const ConvolutionBackward& t) const {
    check_shape(t.dy, shape_.y(), "convolution backward");
    check_shape(t.x, shape_.x(), "convolution backward");
    return {t.x.f32(),  t.weight.f32(),  t.y.f32(),     t.argmax.u8(),  t.dy.f32(),
            t.dx.f32(), t.dweight.f32(), t.dbias.f32(), t.scratch.f32()};
  }

 private:
  ConvolutionShape shape_;
};

class WinogradConvolution : public OwnConvolution {
 public:
  WinogradConvolution(const ConvolutionShape& shape, int64_t tile)
      : OwnConvolution(shape),
        tile_(tile),
        winograd_(kernel_shape(shape), omp_get_max_threads(), tile) {}
  int64_t forward_scratch() const override { return winograd_.forward_scratch() * kFloat; }
  int64_t backward_scratch() const override {
    if (tile_ != Winograd::kTile) return 0;
    return std::max(winograd_.data_scratch(), winograd_.weight_scratch()) * kFloat;
  }
  void forward(const ConvolutionForward& t) override {
    winograd_.forward(unwrap(t), t.scratch.f32());
  }
  void backward(const ConvolutionBackward& t) override {
    const PooledConvBackward own = unwrap(t);
    winograd_.weight_gradient(own, own.scratch);
    if (own.dx) winograd_.data_gradient(own, own.scratch);
  }
  std::string implementation() const override {
    return tile_ == Winograd::kTile ? "winograd" : "winograd of larger tiles";
  }

 private:
  int64_t tile_;
  Winograd winograd_;
};

/// The first convolution of a network; a gradient of its input, which training never asks for, is
/// oneDNN's.
class MonoConvolution : public OwnConvolution {
 public:
  MonoConvolution(const ConvolutionShape& shape, const std::string& layer)
      : OwnConvolution(shape),
        s_(kernel_shape(shape)),
        dense_(make_dense_convolution(shape, PooledBackward::kFastest, layer)) {}
  int64_t forward_scratch() const override { return mono_conv_forward_scratch(s_) * kFloat; }
  int64_t backward_scratch() const override {
    return std::max(mono_conv_weight_scratch(s_) * kFloat, dense_->backward_scratch());
  }
  void forward(const ConvolutionForward& t) override {
    mono_conv_forward(s_, unwrap(t), t.scratch.f32());
  }
  void backward(const ConvolutionBackward& t) override {
    const PooledConvBackward own = unwrap(t);
    if (own.dx) dense_->backward(t);
    mono_conv_weight_gradient(s_, own, own.scratch);
  }
  std::string implementation() const override {
    return "one channel | " + dense_->implementation();
  }

 private:
  PooledConvShape s_;
  std::unique_ptr<Convolution> dense_;
};

/// Forward along one axis; the gradients, of few winners where there is a pool, are those of the
/// dense form.
class LineConvolution : public OwnConvolution {
 public:
  LineConvolution(const ConvolutionShape& shape, int64_t tile, const std::string& layer)
      : OwnConvolution(shape),
        tile_(tile),
        line_(kernel_shape(shape), omp_get_max_threads(), tile),
        dense_(make_dense_convolution(shape, PooledBackward::kFastest, layer)) {}
  int64_t forward_scratch() const override { return line_.forward_scratch() * kFloat; }
  int64_t backward_scratch() const override { return dense_->backward_scratch(); }
  void forward(const ConvolutionForward& t) override { line_.forward(unwrap(t), t.scratch.f32()); }
  void backward(const ConvolutionBackward& t) override { dense_->backward(t); }
  std::string implementation() const override {
    return fmt::format("winograd in one dimension{} | {}",
                       tile_ == LineConv::kTile ? "" : " of larger tiles",
                       dense_->implementation());
  }

 private:
  int64_t tile_;
  LineConv line_;
  std::unique_ptr<Convolution> dense_;
};

}  // namespace

std::unique_ptr<Convolution> make_cpu_convolution(const ConvolutionShape& shape,
                                                  const ConvolutionUse& use,
                                                  const std::string& layer) {
  const PooledConvShape s = kernel_shape(shape);
  if (use.pooled != PooledBackward::kFastest)
    return make_dense_convolution(shape, use.pooled, layer);
  if (mono_conv_fits(s)) return std::make_unique<MonoConvolution>(shape, layer);
  if (use.gradients == Gradients::kNone && Winograd::pays(s, Winograd::kForwardTile))
    return std::make_unique<WinogradConvolution>(shape, Winograd::kForwardTile);
  if (Winograd::pays(s)) return std::make_unique<WinogradConvolution>(shape, Winograd::kTile);
  if (use.gradients == Gradients::kNone && LineConv::pays(s, LineConv::kForwardTile))
    return std::make_unique<LineConvolution>(shape, LineConv::kForwardTile, layer);
  if (LineConv::pays(s)) return std::make_unique<LineConvolution>(shape, LineConv::kTile, layer);
  return make_dense_convolution(shape, use.pooled, layer);
}

}  // namespace earshot
