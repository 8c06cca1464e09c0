// The CPU's operations on tensors stored as bf16: widened, computed in float32, rounded. Slow, and
// only for tests: shows on any machine how layers and passes handle a device's activation type.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"

namespace earshot {

/// Float32 memory in place of a bf16 tensor; any other tensor is passed through.
class Widened {
 public:
  explicit Widened(const Tensor& stored) : stored_(stored), tensor_(stored) {
    if (stored.type != DType::kBf16 || !stored.data) return;
    values_.resize(static_cast<size_t>(stored.shape.count()));
    tensor_.data = values_.data();
    tensor_.type = DType::kF32;
  }
  Widened& load() {
    if (!values_.empty()) convert(stored_.shape.count(), stored_.bf16(), values_.data());
    return *this;
  }
  void store() const {
    if (!values_.empty()) convert(stored_.shape.count(), values_.data(), stored_.bf16());
  }
  const Tensor& operator*() const { return tensor_; }

 private:
  Tensor stored_, tensor_;
  std::vector<float> values_;
};

class Bf16Convolution : public Convolution {
 public:
  explicit Bf16Convolution(std::unique_ptr<Convolution> inner) : inner_(std::move(inner)) {}
  int64_t forward_scratch() const override { return inner_->forward_scratch(); }
  int64_t backward_scratch() const override { return inner_->backward_scratch(); }
  std::string implementation() const override { return inner_->implementation(); }
  void forward(const ConvolutionForward& t) override {
    Widened x(t.x), weight(t.weight), bias(t.bias), y(t.y);
    inner_->forward({*x.load(), *weight.load(), *bias.load(), *y, t.argmax, t.scratch});
    y.store();
  }
  void backward(const ConvolutionBackward& t) override {
    Widened x(t.x), weight(t.weight), y(t.y), dy(t.dy), dx(t.dx);
    inner_->backward({*x.load(), *weight.load(), *y.load(), t.argmax, *dy.load(), *dx, t.dweight,
                      t.dbias, t.scratch});
    dx.store();
  }

 private:
  std::unique_ptr<Convolution> inner_;
};

class Bf16Backend : public Backend {
 public:
  std::string name() const override { return "bf16 on " + cpu_->name(); }
  std::string description() const override { return name(); }
  int64_t free_bytes() const override { return cpu_->free_bytes(); }
  bool has_own_memory() const override { return cpu_->has_own_memory(); }
  DeviceMemory allocate(int64_t bytes, const char* what) override {
    return cpu_->allocate(bytes, what);
  }
  DeviceMemory share(const void* from, int64_t bytes, const char* what) override {
    return cpu_->share(from, bytes, what);
  }
  void zero(const Tensor& t) override { cpu_->zero(t); }
  void copy_to_device(const Tensor& to, const void* from) override {
    cpu_->copy_to_device(to, from);
  }
  void copy_to_host(void* to, const Tensor& from) override { cpu_->copy_to_host(to, from); }
  void synchronize() override {}
  std::unique_ptr<Mailbox> mailbox(const void* from, int64_t bytes) override {
    return cpu_->mailbox(from, bytes);
  }
  std::unique_ptr<RecordedWork> record(const std::function<void()>& enqueue) override {
    return cpu_->record(enqueue);
  }
  void set_numerics(const Numerics&) override {}
  DType activation_type() const override { return DType::kBf16; }
  void keep_plans(const std::filesystem::path&) override {}
  void convert(const Tensor& from, const Tensor& to) override { cpu_->convert(from, to); }

  std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape, const ConvolutionUse& use,
                                           const std::string& layer) override {
    return std::make_unique<Bf16Convolution>(cpu_->convolution(shape, use, layer));
  }
  std::unique_ptr<FusedBlock> fused_block(const BlockShape&, const std::string&) override {
    return nullptr;  // they compute in float32 alone
  }
  void batch_norm_train(const BatchNormForward& t) override {
    normalise(t, [&](const BatchNormForward& wide) { cpu_->batch_norm_train(wide); });
  }
  void batch_norm_inference(const BatchNormForward& t) override {
    normalise(t, [&](const BatchNormForward& wide) { cpu_->batch_norm_inference(wide); });
  }
  void batch_norm_backward(const BatchNormBackward& t) override {
    Widened x(t.x), dy(t.dy), dx(t.dx);
    BatchNormBackward wide = t;
    wide.x = *x.load();
    wide.dy = *dy.load();
    wide.dx = *dx;
    cpu_->batch_norm_backward(wide);
    dx.store();
  }
  void dense_forward(const DenseForward& t) override { cpu_->dense_forward(t); }
  void dense_backward(const DenseBackward& t) override { cpu_->dense_backward(t); }
  void dropout(const Dropout& t) override { cpu_->dropout(t); }
  void softmax_loss(const SoftmaxLoss& t) override { cpu_->softmax_loss(t); }
  void log_softmax(const Tensor& logits, const Tensor& out) override {
    cpu_->log_softmax(logits, out);
  }
  void copy_columns(const Tensor& from, const Tensor& to, int64_t first) override {
    cpu_->copy_columns(from, to, first);
  }
  void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) override {
    Widened x(from), y(to);  // other cells of `to` stay
    y.load();
    cpu_->copy_cells(runs, *x.load(), *y);
    y.store();
  }
  void add_metrics(const Tensor& logits, const Tensor& targets, const Tensor& loss,
                   MetricSums* sums) override {
    cpu_->add_metrics(logits, targets, loss, sums);
  }
  void report_step(const Tensor& loss, const Tensor& gradients, StepReport* report) override {
    cpu_->report_step(loss, gradients, report);
  }
  void update(const Update& t) override { cpu_->update(t); }
  void gather_wave(const GatherPlanView& plan, const WaveSource& source,
                   const Tensor& out) override {
    cpu_->gather_wave(plan, source, out);
  }
  void gather_mel(const GatherPlanView& plan, const MelSource& source, const Tensor& out) override {
    cpu_->gather_mel(plan, source, out);
  }
  void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) override {
    cpu_->log_mel(wave, settings, out);
  }
  void log_mel_clips(const ClipsLogMel& t) override { cpu_->log_mel_clips(t); }

 private:
  template <typename Work>
  void normalise(const BatchNormForward& t, const Work& work) {
    Widened x(t.x), y(t.y);
    BatchNormForward wide = t;
    wide.x = *x.load();
    wide.y = *y;
    work(wide);
    y.store();
  }
  std::unique_ptr<Backend> cpu_ = make_cpu_backend(2);
};

}  // namespace earshot
