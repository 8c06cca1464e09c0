// The CPU backend with the habits of a GPU that matter to training: a recording keeps every
// argument as it was when it was recorded (pointers and numbers alike), a report reaches the host
// late, memory is the device's own and limited, and it can be lost.
#pragma once

#include <limits>

#include "engine/backend.h"
#include "engine/error.h"

namespace earshot {

class TapedBackend : public Backend {
 public:
  /// `late`: sendings of a mailbox that stay under way until somebody waits for them. `memory`:
  /// bytes of the device; negative: those of the CPU.
  explicit TapedBackend(int late = 0, int64_t memory = -1) : late_(late), memory_(memory) {}

  int64_t replays() const { return replays_; }
  /// Operations that have run.
  int64_t operations() const { return operations_; }
  /// Lost behind `operations` from now: nothing runs any more, and the host learns of it when it
  /// waits, copies or allocates next.
  void lose_after(int64_t operations) { lost_from_ = operations_ + operations; }
  /// Another program takes all memory behind `operations` from now.
  void take_memory_after(int64_t operations) { full_from_ = operations_ + operations; }

  std::string name() const override { return "taped"; }
  std::string description() const override { return "taped: " + cpu_->description(); }
  int64_t free_bytes() const override {
    if (operations_ >= full_from_) return 0;
    return memory_ < 0 ? cpu_->free_bytes() : memory_ - *allocated_;
  }
  bool has_own_memory() const override { return true; }
  DeviceMemory allocate(int64_t bytes, const char* what) override {
    if (tape_) fail("{} was allocated while a step was recorded", what);
    check_lost();
    if (bytes > free_bytes()) fail_device("not enough memory for {}", what);
    auto memory = std::make_shared<DeviceMemory>(cpu_->allocate(bytes, what));
    *allocated_ += bytes;
    return {memory->data(), bytes, [memory, all = allocated_](void*) { *all -= memory->bytes(); }};
  }
  DeviceMemory share(const void* from, int64_t bytes, const char* what) override {
    DeviceMemory memory = allocate(bytes, what);
    cpu_->copy_to_device({memory.data(), {1, 1, 1, bytes}, DType::kU8, what}, from);
    return memory;
  }
  void zero(const Tensor& t) override {
    run([=, this] { cpu_->zero(t); });
  }
  void copy_to_device(const Tensor& to, const void* from) override {
    if (tape_) fail("{} was copied from the host while a step was recorded", to.name);
    check_lost();
    cpu_->copy_to_device(to, from);
  }
  void copy_to_host(void* to, const Tensor& from) override {
    if (tape_) fail("{} was copied to the host while a step was recorded", from.name);
    check_lost();
    cpu_->copy_to_host(to, from);
  }
  void synchronize() override { check_lost(); }
  std::unique_ptr<Mailbox> mailbox(const void* from, int64_t bytes) override {
    return std::make_unique<LateMailbox>(*this, cpu_->mailbox(from, bytes), late_);
  }
  std::unique_ptr<RecordedWork> record(const std::function<void()>& enqueue) override {
    auto tape = std::make_unique<Tape>(*this);
    tape_ = &tape->operations;
    try {
      enqueue();
    } catch (...) {
      tape_ = nullptr;
      throw;
    }
    tape_ = nullptr;
    return tape;
  }
  void set_numerics(const Numerics& numerics) override { cpu_->set_numerics(numerics); }
  DType activation_type() const override { return cpu_->activation_type(); }
  void keep_plans(const std::filesystem::path& file) override { cpu_->keep_plans(file); }
  void convert(const Tensor& from, const Tensor& to) override {
    run([=, this] { cpu_->convert(from, to); });
  }

  std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape, const ConvolutionUse& use,
                                           const std::string& layer) override {
    return std::make_unique<TapedConvolution>(*this, cpu_->convolution(shape, use, layer));
  }
  std::unique_ptr<FusedBlock> fused_block(const BlockShape&, const std::string&) override {
    return nullptr;
  }
  void batch_norm_train(const BatchNormForward& t) override {
    run([=, this] { cpu_->batch_norm_train(t); });
  }
  void batch_norm_inference(const BatchNormForward& t) override {
    run([=, this] { cpu_->batch_norm_inference(t); });
  }
  void batch_norm_backward(const BatchNormBackward& t) override {
    run([=, this] { cpu_->batch_norm_backward(t); });
  }
  void dense_forward(const DenseForward& t) override {
    run([=, this] { cpu_->dense_forward(t); });
  }
  void dense_backward(const DenseBackward& t) override {
    run([=, this] { cpu_->dense_backward(t); });
  }
  void dropout(const Dropout& t) override {
    run([=, this] { cpu_->dropout(t); });
  }
  void softmax_loss(const SoftmaxLoss& t) override {
    run([=, this] { cpu_->softmax_loss(t); });
  }
  void log_softmax(const Tensor& logits, const Tensor& out) override {
    run([=, this] { cpu_->log_softmax(logits, out); });
  }
  void add_metrics(const Tensor& logits, const Tensor& targets, const Tensor& loss,
                   MetricSums* sums) override {
    run([=, this] { cpu_->add_metrics(logits, targets, loss, sums); });
  }
  void copy_columns(const Tensor& from, const Tensor& to, int64_t first) override {
    run([=, this] { cpu_->copy_columns(from, to, first); });
  }
  void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) override {
    run([=, this] { cpu_->copy_cells(runs, from, to); });
  }
  void report_step(const Tensor& loss, const Tensor& gradients, StepReport* report) override {
    run([=, this] { cpu_->report_step(loss, gradients, report); });
  }
  void update(const Update& t) override {
    run([=, this] { cpu_->update(t); });
  }
  void gather_wave(const GatherPlanView& plan, const WaveSource& source,
                   const Tensor& out) override {
    run([=, this] { cpu_->gather_wave(plan, source, out); });
  }
  void gather_mel(const GatherPlanView& plan, const MelSource& source, const Tensor& out) override {
    run([=, this] { cpu_->gather_mel(plan, source, out); });
  }
  void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) override {
    run([=, this] { cpu_->log_mel(wave, settings, out); });
  }
  void log_mel_clips(const ClipsLogMel& t) override { cpu_->log_mel_clips(t); }

 private:
  using Operations = std::vector<std::function<void()>>;

  struct Tape : RecordedWork {
    explicit Tape(TapedBackend& backend) : owner(backend) {}
    void replay() override {
      ++owner.replays_;
      for (const auto& operation : operations) owner.operate(operation);
    }
    TapedBackend& owner;
    Operations operations;
  };

  class TapedConvolution : public Convolution {
   public:
    TapedConvolution(TapedBackend& backend, std::unique_ptr<Convolution> cpu)
        : owner_(backend), cpu_(std::move(cpu)) {}
    int64_t forward_scratch() const override { return cpu_->forward_scratch(); }
    int64_t backward_scratch() const override { return cpu_->backward_scratch(); }
    void forward(const ConvolutionForward& t) override {
      owner_.run([=, this] { cpu_->forward(t); });
    }
    void backward(const ConvolutionBackward& t) override {
      owner_.run([=, this] { cpu_->backward(t); });
    }
    std::string implementation() const override { return cpu_->implementation(); }

   private:
    TapedBackend& owner_;
    std::unique_ptr<Convolution> cpu_;
  };

  class LateMailbox : public Mailbox {
   public:
    LateMailbox(TapedBackend& backend, std::unique_ptr<Mailbox> cpu, int late)
        : owner_(backend), cpu_(std::move(cpu)), late_(late) {}
    void send() override {
      if (++under_way_ > kCapacity) fail("nobody reads the mailbox");
      cpu_->send();
    }
    const void* receive(bool wait) override {
      if (under_way_ == 0 || (!wait && under_way_ <= late_)) return nullptr;
      owner_.check_lost();
      --under_way_;
      return cpu_->receive(wait);
    }

   private:
    TapedBackend& owner_;
    std::unique_ptr<Mailbox> cpu_;
    int late_, under_way_ = 0;
  };

  void run(std::function<void()> operation) {
    if (tape_)
      tape_->push_back(std::move(operation));
    else
      operate(operation);
  }
  void operate(const std::function<void()>& operation) {
    if (operations_ < lost_from_) operation();
    ++operations_;
  }
  void check_lost() const {
    if (operations_ >= lost_from_) fail_device("the device is lost");
  }

  std::unique_ptr<Backend> cpu_ = make_cpu_backend(2);
  int late_;
  int64_t memory_;
  std::shared_ptr<int64_t> allocated_ = std::make_shared<int64_t>(0);
  Operations* tape_ = nullptr;
  int64_t replays_ = 0, operations_ = 0;
  int64_t lost_from_ = std::numeric_limits<int64_t>::max(), full_from_ = lost_from_;
};

}  // namespace earshot
