#include "engine/backend.h"

#include "engine/cuda/convolution.h"
#include "engine/cuda/dense.h"
#include "engine/cuda/device.h"
#include "engine/cuda/fft.h"
#include "engine/cuda/fused_block.h"
#include "engine/plugin.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/loss.h"
#include "kernels/reduce.h"

namespace earshot::cuda {
namespace {

constexpr int64_t kFloat = sizeof(float);

BatchNormShape rows_of(const Tensor& t) { return {t.shape.rows(), t.shape.c}; }

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(int index) : device_(index), products_(device_), log_mel_(device_) {
    flag_ = device_.allocate(sizeof(int32_t), "a flag");
  }
  std::string name() const override { return fmt::format("cuda:{}", device_.index()); }
  std::string description() const override { return device_.description(); }

  int64_t free_bytes() const override { return device_.free_bytes(); }
  DeviceMemory allocate(int64_t bytes, const char* what) override {
    return device_.allocate(bytes, what);
  }
  DeviceMemory share(const void* from, int64_t bytes, const char* what) override {
    DeviceMemory memory = device_.allocate(bytes, what);
    device_.upload(memory.data(), from, bytes, what);
    return memory;
  }
  void zero(const Tensor& t) override {
    check(cudaMemsetAsync(t.data, 0, static_cast<size_t>(t.bytes()), stream()), "zeroing {} {}",
          t.name, to_string(t.shape));
  }
  void copy_to_device(const Tensor& to, const void* from) override {
    device_.upload(to.data, from, to.bytes(), to.name);
  }
  void copy_to_host(void* to, const Tensor& from) override {
    check(cudaMemcpyAsync(to, from.data, static_cast<size_t>(from.bytes()), cudaMemcpyDeviceToHost,
                          stream()),
          "copy of {} {} to the host", from.name, to_string(from.shape));
    device_.synchronize();
  }
  void synchronize() override { device_.synchronize(); }

  void set_precision(Precision precision) override {
    if (precision == Precision::kBf16)
      fail_usage("precision: the CUDA backend computes in fp32 or tf32; set precision: tf32");
    precision_ = precision;
  }

  std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape,
                                           const std::string& layer) override {
    return make_convolution(device_, shape, precision_, layer);
  }
  std::unique_ptr<FusedBlock> fused_block(const BlockShape& shape,
                                          const std::string& layer) override {
    return make_fused_block(device_, shape, precision_, layer);
  }

  void batch_norm_train(const BatchNormForward& t) override {
    check_shape(t.y, t.x.shape, "batch norm");
    launching("batch norm", t.x, [&] {
      cuda::batch_norm_train(
          rows_of(t.x), t.x.f32(), t.gamma.f32(), t.beta.f32(), t.momentum, t.epsilon,
          {t.mean.f32(), t.inverse_deviation.f32(), t.moving_mean.f32(), t.moving_variance.f32()},
          t.y.f32(), floats(batch_norm_scratch(rows_of(t.x))), stream());
    });
  }
  void batch_norm_inference(const BatchNormForward& t) override {
    check_shape(t.y, t.x.shape, "batch norm");
    launching("batch norm", t.x, [&] {
      cuda::batch_norm_inference(rows_of(t.x), t.x.f32(), t.gamma.f32(), t.beta.f32(),
                                 t.moving_mean.f32(), t.moving_variance.f32(), t.epsilon, t.y.f32(),
                                 stream());
    });
  }
  void batch_norm_backward(const BatchNormBackward& t) override {
    check_shape(t.dy, t.x.shape, "batch norm backward");
    launching("batch norm backward", t.x, [&] {
      cuda::batch_norm_backward(rows_of(t.x), t.x.f32(), t.dy.f32(), t.gamma.f32(), t.mean.f32(),
                                t.inverse_deviation.f32(),
                                {t.dx.f32(), t.dgamma.f32(), t.dbeta.f32()},
                                floats(batch_norm_scratch(rows_of(t.x))), stream());
    });
  }

  // Row-major [rows, columns] is cuBLAS's matrix [columns, rows]: y^T = weight^T x^T.
  void dense_forward(const DenseForward& t) override {
    const int64_t n = t.x.shape.n, in = t.x.shape.features(), out = t.y.shape.c;
    check_shape(t.weight, {in, 1, 1, out}, "dense");
    check_shape(t.y, {n, 1, 1, out}, "dense");
    products_.run({false, false, out, n, in, true, t.activation, precision_}, t.weight.f32(),
                  t.x.f32(), t.bias.f32(), t.y.f32(), t.y.name);
  }
  void dense_backward(const DenseBackward& t) override {
    const int64_t n = t.x.shape.n, in = t.x.shape.features(), out = t.dy.shape.c;
    check_shape(t.dweight, {in, 1, 1, out}, "dense backward");
    launching("dense backward", t.dy, [&] {
      if (t.activation == Activation::kRelu)
        cuda::relu_backward(n * out, t.y.f32(), t.dy.f32(), stream());
      column_sums(n, out, t.dy.f32(), floats(column_sums_scratch(n, out)), t.dbias.f32(), stream());
    });
    const auto plain = Activation::kNone;
    products_.run({false, true, out, in, n, false, plain, precision_}, t.dy.f32(), t.x.f32(),
                  nullptr, t.dweight.f32(), t.y.name);
    if (t.dx.data)
      products_.run({true, false, in, n, out, false, plain, precision_}, t.weight.f32(), t.dy.f32(),
                    nullptr, t.dx.f32(), t.y.name);
  }

  void dropout(const Dropout& t) override {
    launching("dropout", t.x, [&] {
      cuda::dropout({t.rate, t.seed, t.step, t.layer}, t.x.shape.count(), t.x.f32(), t.y.f32(),
                    stream());
    });
  }
  void softmax_loss(const SoftmaxLoss& t) override {
    check_shape(t.targets, t.logits.shape, "softmax loss");
    launching("softmax loss", t.logits, [&] {
      cuda::softmax_loss({t.logits.shape.n, t.logits.shape.c}, t.logits.f32(), t.targets.f32(),
                         t.class_weights.f32(), t.loss.f32(), t.dlogits.f32(), stream());
    });
  }
  void log_softmax(const Tensor& logits, const Tensor& out) override {
    check_shape(out, logits.shape, "log softmax");
    launching("log softmax", logits, [&] {
      cuda::log_softmax({logits.shape.n, logits.shape.c}, logits.f32(), out.f32(), stream());
    });
  }
  void copy_columns(const Tensor& from, const Tensor& to, int64_t first) override {
    const auto width = static_cast<size_t>(from.shape.features() * kFloat);
    check(cudaMemcpy2DAsync(to.f32() + first, static_cast<size_t>(to.shape.features() * kFloat),
                            from.data, width, width, static_cast<size_t>(from.shape.n),
                            cudaMemcpyDeviceToDevice, stream()),
          "copy of {} {} into {}", from.name, to_string(from.shape), to.name);
  }
  void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) override {
    check_channels(from, to, "copy cells");
    launching("copy cells", to, [&] {
      cuda::copy_cells(runs, to.shape.c, from.f32(), to.f32(), stream());
    });
  }

  void adam(const Tensor& p, const Tensor& g, const Tensor& m, const Tensor& v,
            const AdamStep& step) override {
    launching("Adam", p, [&] {
      cuda::adam(p.f32(), g.f32(), m.f32(), v.f32(), p.shape.count(), step, stream());
    });
  }
  bool all_finite(const Tensor& t) override {
    const Tensor flag{flag_.data(), {1, 1, 1, 1}, DType::kI32, "flag"};
    launching("all finite", t, [&] {
      cuda::all_finite(t.shape.count(), t.f32(), static_cast<int32_t*>(flag.data), stream());
    });
    int32_t bad = 1;
    copy_to_host(&bad, flag);
    return bad == 0;
  }

  void gather_wave(const GatherPlan& plan, const WaveSource& source, const Tensor& out) override {
    check_shape(out, {plan.examples(), 1, out.shape.w, 1}, "gather wave");
    const GatherPlanView view = upload(plan);
    launching("gather wave", out,
              [&] { cuda::gather_wave(view, source, out.shape.w, out.f32(), stream()); });
  }
  void gather_mel(const GatherPlan& plan, const MelSource& source, const Tensor& out) override {
    check_shape(out, {plan.examples(), 128, out.shape.w, 1}, "gather mel");
    const GatherPlanView view = upload(plan);
    launching("gather mel", out,
              [&] { cuda::gather_mel(view, source, out.shape.w, out.f32(), stream()); });
  }
  void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) override {
    check_shape(out, {wave.shape.n, 128, out.shape.w, 1}, "log-mel");
    log_mel_.run(wave, settings, out);
  }
  void log_mel_clips(const ClipsLogMel& t) override { log_mel_.run(t); }

 private:
  cudaStream_t stream() const { return device_.stream(); }
  float* floats(int64_t count) { return static_cast<float*>(device_.scratch(count * kFloat)); }

  /// The plan in the device's scratch.
  GatherPlanView upload(const GatherPlan& plan) {
    const auto size = [](const auto& v) { return static_cast<int64_t>(v.size() * sizeof(v[0])); };
    const int64_t positions = size(plan.placements);  // both of 8-byte elements; int32 at the end
    const int64_t first = positions + size(plan.positions);
    char* base = static_cast<char*>(device_.scratch(first + size(plan.first_placement)));
    device_.upload(base, plan.placements.data(), positions, "placements");
    device_.upload(base + positions, plan.positions.data(), first - positions, "positions");
    device_.upload(base + first, plan.first_placement.data(), size(plan.first_placement),
                   "placements");
    return {reinterpret_cast<const Placement*>(base),
            reinterpret_cast<const int32_t*>(base + first),
            reinterpret_cast<const int64_t*>(base + positions), plan.examples()};
  }

  Device device_;
  Products products_;
  LogMelBatch log_mel_;
  DeviceMemory flag_;
  Precision precision_ = Precision::kF32;
};

}  // namespace
}  // namespace earshot::cuda

extern "C" __attribute__((visibility("default"))) earshot::Backend* earshot_open_cuda(
    int index, std::string& why_not) {
  try {
    return new earshot::cuda::CudaBackend(index);
  } catch (const std::exception& error) {
    why_not = error.what();
    return nullptr;
  }
}
