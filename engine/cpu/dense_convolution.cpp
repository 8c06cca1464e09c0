#include "engine/cpu/dense_convolution.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "engine/pieces.h"
#include "kernels/activation.h"
#include "kernels/pool.h"
#include "kernels/pooled_conv.h"

namespace earshot {
namespace {

using dnnl::memory;

dnnl::engine& cpu_engine() {
  static dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& cpu_stream() {
  static dnnl::stream stream(cpu_engine());
  return stream;
}

memory::desc describe(const Shape& s, memory::format_tag tag) {
  return {{s.n, s.c, s.h, s.w}, memory::data_type::f32, tag};
}

/// From this many cells a window on, our own backward over the winners beats oneDNN's dense one.
constexpr int64_t kSparsePool = 8;

class DenseConvolution : public Convolution {
 public:
  DenseConvolution(const ConvolutionShape& shape, PooledBackward pooled, const std::string& layer)
      : s_(shape), pooled_(pooled) {
    try {
      plan();
    } catch (const dnnl::error& error) {
      fail("layer {}: oneDNN cannot plan a convolution of {} by {} ({})", layer, to_string(s_.x()),
           to_string(s_.weight()), error.message);
    }
  }

  int64_t forward_scratch() const override {
    Pieces pieces;
    pieces.take(forward_.weights_desc().get_size());
    pieces.take(forward_.scratchpad_desc().get_size());
    if (s_.pooled()) pieces.take(s_.unpooled().count() * kFloat);
    return pieces.used();
  }

  int64_t backward_scratch() const override {
    Pieces pieces;
    if (sparse()) {
      const PooledConvShape s = pooled_shape();
      pieces.take(s.parts() * (s.weight_count() + s.c_out) * kFloat);
      return pieces.used();
    }
    pieces.take(std::max(data_.weights_desc().get_size(), weights_.diff_weights_desc().get_size()));
    pieces.take(
        std::max(data_.scratchpad_desc().get_size(), weights_.scratchpad_desc().get_size()));
    if (s_.pooled()) pieces.take(s_.unpooled().count() * kFloat);
    return pieces.used();
  }

  void forward(const ConvolutionForward& t) override {
    check_shape(t.x, s_.x(), "convolution");
    check_shape(t.weight, s_.weight(), "convolution");
    check_shape(t.y, s_.y(), "convolution");
    Pieces pieces(t.scratch.data);
    const memory weight =
        wrap(forward_.weights_desc(), pieces.take(forward_.weights_desc().get_size()));
    const memory pad =
        wrap(forward_.scratchpad_desc(), pieces.take(forward_.scratchpad_desc().get_size()));
    float* unpooled = s_.pooled() ? static_cast<float*>(pieces.take(0)) : t.y.f32();
    reorder(wrap(user_weight_, t.weight.data), weight, to_forward_);
    run(forward_primitive_, {{DNNL_ARG_SRC, wrap(forward_.src_desc(), t.x.data)},
                             {DNNL_ARG_WEIGHTS, weight},
                             {DNNL_ARG_BIAS, wrap(forward_.bias_desc(), t.bias.data)},
                             {DNNL_ARG_DST, wrap(forward_.dst_desc(), unpooled)},
                             {DNNL_ARG_SCRATCHPAD, pad}});
    if (s_.pooled()) max_pool_forward(pool(), unpooled, t.y.f32(), t.argmax.u8());
  }

  void backward(const ConvolutionBackward& t) override {
    check_shape(t.dy, s_.y(), "convolution backward");
    check_shape(t.x, s_.x(), "convolution backward");
    if (sparse()) {
      pooled_conv_backward(pooled_shape(), {t.x.f32(), t.weight.f32(), t.y.f32(), t.argmax.u8(),
                                            t.dy.f32(), t.dx.f32(), t.dweight.f32(), t.dbias.f32(),
                                            static_cast<float*>(t.scratch.data)});
      return;
    }
    dense_backward(t);
  }

  std::string implementation() const override {
    if (sparse()) return fmt::format("{} | winners only", forward_.impl_info_str());
    return fmt::format("{} | {} | {}", forward_.impl_info_str(), data_.impl_info_str(),
                       weights_.impl_info_str());
  }

 private:
  void dense_backward(const ConvolutionBackward& t) {
    Pieces pieces(t.scratch.data);
    void* blocked = pieces.take(
        std::max(data_.weights_desc().get_size(), weights_.diff_weights_desc().get_size()));
    void* pad = pieces.take(
        std::max(data_.scratchpad_desc().get_size(), weights_.scratchpad_desc().get_size()));
    float* gradient = t.dy.f32();  // before the ReLU and the pool
    if (s_.pooled()) {
      gradient = static_cast<float*>(pieces.take(0));
      max_pool_relu_backward(pool(), t.y.f32(), t.argmax.u8(), t.dy.f32(), gradient);
    } else {
      relu_backward(t.dy.shape.count(), t.y.f32(), gradient);
    }
    const memory dweight = wrap(weights_.diff_weights_desc(), blocked);
    run(weights_primitive_, {{DNNL_ARG_SRC, wrap(weights_.src_desc(), t.x.data)},
                             {DNNL_ARG_DIFF_DST, wrap(weights_.diff_dst_desc(), gradient)},
                             {DNNL_ARG_DIFF_WEIGHTS, dweight},
                             {DNNL_ARG_DIFF_BIAS, wrap(weights_.diff_bias_desc(), t.dbias.data)},
                             {DNNL_ARG_SCRATCHPAD, wrap(weights_.scratchpad_desc(), pad)}});
    reorder(dweight, wrap(user_weight_, t.dweight.data), from_weights_);
    if (!t.dx.data) return;
    const memory weight = wrap(data_.weights_desc(), blocked);
    reorder(wrap(user_weight_, t.weight.data), weight, to_data_);
    run(data_primitive_, {{DNNL_ARG_DIFF_SRC, wrap(data_.diff_src_desc(), t.dx.data)},
                          {DNNL_ARG_WEIGHTS, weight},
                          {DNNL_ARG_DIFF_DST, wrap(data_.diff_dst_desc(), gradient)},
                          {DNNL_ARG_SCRATCHPAD, wrap(data_.scratchpad_desc(), pad)}});
  }

  void plan() {
    using tag = memory::format_tag;
    const memory::dims stride{1, 1};
    const memory::dims before{(s_.kernel_h - 1) / 2, (s_.kernel_w - 1) / 2};
    const memory::dims after{s_.kernel_h / 2, s_.kernel_w / 2};
    const memory::desc x = describe(s_.x(), tag::nhwc), y = describe(s_.unpooled(), tag::nhwc);
    const memory::desc weight = describe(s_.weight(), tag::any);
    const memory::desc bias({s_.c_out}, memory::data_type::f32, tag::x);
    user_weight_ = describe(s_.weight(), tag::ohwi);

    dnnl::primitive_attr plain, relu;
    plain.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    relu.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    dnnl::post_ops ops;
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
    relu.set_post_ops(ops);

    const auto direct = dnnl::algorithm::convolution_direct;
    forward_ = {
        {dnnl::prop_kind::forward_training, direct, x, weight, bias, y, stride, before, after},
        relu,
        cpu_engine()};
    // Hints only: backward gradients are of the convolution itself.
    const dnnl::convolution_forward::primitive_desc hint(
        {dnnl::prop_kind::forward_training, direct, x, weight, bias, y, stride, before, after},
        cpu_engine());
    data_ = {{direct, x, weight, y, stride, before, after}, plain, cpu_engine(), hint};
    weights_ = {{direct, x, weight, bias, y, stride, before, after}, plain, cpu_engine(), hint};
    forward_primitive_ = dnnl::convolution_forward(forward_);
    data_primitive_ = dnnl::convolution_backward_data(data_);
    weights_primitive_ = dnnl::convolution_backward_weights(weights_);
    to_forward_ = make_reorder(user_weight_, forward_.weights_desc());
    to_data_ = make_reorder(user_weight_, data_.weights_desc());
    from_weights_ = make_reorder(weights_.diff_weights_desc(), user_weight_);
  }

  static dnnl::reorder make_reorder(const memory::desc& from, const memory::desc& to) {
    return dnnl::reorder({cpu_engine(), from, cpu_engine(), to});
  }
  static memory wrap(const memory::desc& desc, void* data) { return {desc, cpu_engine(), data}; }
  static void run(const dnnl::primitive& primitive,
                  const std::unordered_map<int, memory>& arguments) {
    primitive.execute(cpu_stream(), arguments);
    cpu_stream().wait();
  }
  static void reorder(const memory& from, const memory& to, const dnnl::reorder& primitive) {
    run(primitive, {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}});
  }
  bool sparse() const {
    if (pooled_ != PooledBackward::kFastest)
      return s_.pooled() && pooled_ == PooledBackward::kSparse;
    return s_.pool_h * s_.pool_w >= kSparsePool;
  }
  PooledConvShape pooled_shape() const {
    return {s_.n, s_.h, s_.w, s_.c_in, s_.c_out, s_.kernel_h, s_.kernel_w, s_.pool_h, s_.pool_w};
  }
  PoolShape pool() const { return {s_.n, s_.h, s_.w, s_.c_out, s_.pool_h, s_.pool_w}; }

  ConvolutionShape s_;
  PooledBackward pooled_;
  memory::desc user_weight_;
  dnnl::convolution_forward::primitive_desc forward_;
  dnnl::convolution_backward_data::primitive_desc data_;
  dnnl::convolution_backward_weights::primitive_desc weights_;
  dnnl::primitive forward_primitive_, data_primitive_, weights_primitive_;
  dnnl::reorder to_forward_, to_data_, from_weights_;
};

}  // namespace

std::unique_ptr<Convolution> make_dense_convolution(const ConvolutionShape& shape,
                                                    PooledBackward pooled,
                                                    const std::string& layer) {
  return std::make_unique<DenseConvolution>(shape, pooled, layer);
}

}  // namespace earshot
