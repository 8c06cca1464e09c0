#include "engine/backend.h"

#include <cuda_profiler_api.h>

#include "engine/cuda/convolution.h"
#include "engine/cuda/dense.h"
#include "engine/cuda/device.h"
#include "engine/cuda/fft.h"
#include "engine/cuda/fused_block.h"
#include "engine/cuda/recording.h"
#include "engine/plugin.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/loss.h"
#include "kernels/reduce.h"

namespace earshot::cuda {
namespace {

BatchNormShape rows_of(const Tensor& t) { return {t.shape.rows(), t.shape.c}; }

/// Calls work(x's cells, y's cells) with the types that batch norm has.
template <typename Work>
void stored_as(const Tensor& x, const Tensor& y, const Work& work) {
  if (x.type == DType::kF32)
    work(x.f32(), y.f32());
  else if (y.type == DType::kF32)
    work(x.bf16(), y.f32());
  else
    work(x.bf16(), y.bf16());
}

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(int index)
      : device_(index),
        choices_(device_.environment(), plan_cache_path()),
        products_(device_),
        log_mel_(device_) {}
  std::string name() const override { return fmt::format("cuda:{}", device_.index()); }
  std::string description() const override { return device_.description(); }

  int64_t free_bytes() const override { return device_.free_bytes(); }
  bool has_own_memory() const override { return true; }
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
  std::unique_ptr<Mailbox> mailbox(const void* from, int64_t bytes) override {
    return make_mailbox(device_, from, bytes);
  }
  std::unique_ptr<RecordedWork> record(const std::function<void()>& enqueue) override {
    return record_graph(device_, enqueue);
  }
  bool start_profiler() override {
    check(cudaProfilerStart(), "starting the profiler");
    return true;
  }
  void stop_profiler() override { check(cudaProfilerStop(), "stopping the profiler"); }

  void set_numerics(const Numerics& numerics) override { numerics_ = numerics; }
  DType activation_type() const override {
    return numerics_.precision == Precision::kBf16 ? DType::kBf16 : DType::kF32;
  }
  void keep_plans(const std::filesystem::path& file) override { choices_.keep_in(file); }
  void convert(const Tensor& from, const Tensor& to) override {
    check_shape(to, from.shape, "convert");
    launching("convert", from, [&] {
      if (to.type == DType::kBf16)
        cuda::convert(from.shape.count(), from.f32(), to.bf16(), stream());
      else
        cuda::convert(from.shape.count(), from.bf16(), to.f32(), stream());
    });
  }

  std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape, const ConvolutionUse& use,
                                           const std::string& layer) override {
    return make_convolution(device_, choices_, {shape, use, numerics_, layer});
  }
  std::unique_ptr<FusedBlock> fused_block(const BlockShape& shape,
                                          const std::string& layer) override {
    return make_fused_block(device_, shape, numerics_.precision, layer);
  }

  void batch_norm_train(const BatchNormForward& t) override {
    check_shape(t.y, t.x.shape, "batch norm");
    stored_as(t.x, t.y, [&]<typename X, typename Y>(X* x, Y* y) {
      launching("batch norm", t.x, [&] {
        cuda::batch_norm_train(
            rows_of(t.x), x, t.gamma.f32(), t.beta.f32(), t.momentum, t.epsilon,
            {t.mean.f32(), t.inverse_deviation.f32(), t.moving_mean.f32(), t.moving_variance.f32()},
            y, floats(batch_norm_scratch(rows_of(t.x))), stream());
      });
    });
  }
  void batch_norm_inference(const BatchNormForward& t) override {
    check_shape(t.y, t.x.shape, "batch norm");
    stored_as(t.x, t.y, [&]<typename X, typename Y>(X* x, Y* y) {
      launching("batch norm", t.x, [&] {
        cuda::batch_norm_inference(rows_of(t.x), x, t.gamma.f32(), t.beta.f32(),
                                   t.moving_mean.f32(), t.moving_variance.f32(), t.epsilon, y,
                                   stream());
      });
    });
  }
  void batch_norm_backward(const BatchNormBackward& t) override {
    check_shape(t.dy, t.x.shape, "batch norm backward");
    stored_as(t.x, t.dy, [&]<typename X, typename Y>(X* x, Y* dy) {
      launching("batch norm backward", t.x, [&] {
        cuda::batch_norm_backward(rows_of(t.x), x, dy, t.gamma.f32(), t.mean.f32(),
                                  t.inverse_deviation.f32(),
                                  {t.dx.as<X>(), t.dgamma.f32(), t.dbeta.f32()},
                                  floats(batch_norm_scratch(rows_of(t.x))), stream());
      });
    });
  }

  // Row-major [rows, columns] is cuBLAS's matrix [columns, rows]: y^T = weight^T x^T.
  void dense_forward(const DenseForward& t) override {
    const int64_t n = t.x.shape.n, in = t.x.shape.features(), out = t.y.shape.c;
    check_shape(t.weight, {in, 1, 1, out}, "dense");
    check_shape(t.y, {n, 1, 1, out}, "dense");
    products_.run({false, false, out, n, in, true, t.activation, numerics_.precision},
                  t.weight.f32(), t.x.f32(), t.bias.f32(), t.y.f32(), t.y.name);
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
    products_.run({false, true, out, in, n, false, plain, numerics_.precision}, t.dy.f32(),
                  t.x.f32(), nullptr, t.dweight.f32(), t.y.name);
    if (t.dx.data)
      products_.run({true, false, in, n, out, false, plain, numerics_.precision}, t.weight.f32(),
                    t.dy.f32(), nullptr, t.dx.f32(), t.y.name);
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
  void add_metrics(const Tensor& logits, const Tensor& targets, const Tensor& loss,
                   MetricSums* sums) override {
    launching("metrics", logits, [&] {
      cuda::add_metrics({logits.shape.n, logits.shape.c}, logits.f32(), targets.f32(), loss.f32(),
                        sums, stream());
    });
  }
  void copy_columns(const Tensor& from, const Tensor& to, int64_t first) override {
    const auto width = static_cast<size_t>(from.shape.features() * kFloatBytes);
    check(cudaMemcpy2DAsync(
              to.f32() + first, static_cast<size_t>(to.shape.features() * kFloatBytes), from.data,
              width, width, static_cast<size_t>(from.shape.n), cudaMemcpyDeviceToDevice, stream()),
          "copy of {} {} into {}", from.name, to_string(from.shape), to.name);
  }
  void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) override {
    check_channels(from, to, "copy cells");
    launching("copy cells", to, [&] {
      if (to.type == DType::kBf16)
        cuda::copy_cells(runs, to.shape.c, from.bf16(), to.bf16(), stream());
      else
        cuda::copy_cells(runs, to.shape.c, from.f32(), to.f32(), stream());
    });
  }

  void report_step(const Tensor& loss, const Tensor& gradients, StepReport* report) override {
    launching("report of a step", gradients, [&] {
      cuda::report_step(loss.shape.count(), loss.f32(), gradients.shape.count(), gradients.f32(),
                        report, stream());
    });
  }
  void update(const Update& t) override {
    launching("Adam", t.values, [&] {
      cuda::adam(t.values.f32(), t.gradients.f32(), t.m.f32(), t.v.f32(), t.values.shape.count(),
                 &t.scalars->adam, &t.report->bad, stream());
      cuda::restore_where_bad(t.report, t.statistics.shape.count(), t.saved_statistics.f32(),
                              t.statistics.f32(), stream());
    });
  }

  void gather_wave(const GatherPlanView& plan, const WaveSource& source,
                   const Tensor& out) override {
    check_shape(out, {plan.examples, 1, out.shape.w, 1}, "gather wave");
    launching("gather wave", out,
              [&] { cuda::gather_wave(plan, source, out.shape.w, out.f32(), stream()); });
  }
  void gather_mel(const GatherPlanView& plan, const MelSource& source, const Tensor& out) override {
    check_shape(out, {plan.examples, 128, out.shape.w, 1}, "gather mel");
    launching("gather mel", out,
              [&] { cuda::gather_mel(plan, source, out.shape.w, out.f32(), stream()); });
  }
  void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) override {
    check_shape(out, {wave.shape.n, 128, out.shape.w, 1}, "log-mel");
    log_mel_.run(wave, settings, out);
  }
  void log_mel_clips(const ClipsLogMel& t) override { log_mel_.run(t); }

 private:
  cudaStream_t stream() const { return device_.stream(); }
  float* floats(int64_t count) { return static_cast<float*>(device_.scratch(count * kFloatBytes)); }

  Device device_;
  PlanChoices choices_;
  Products products_;
  LogMelBatch log_mel_;
  Numerics numerics_;
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
