#include "engine/backend.h"

#include <omp.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <limits>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>

#include "engine/cpu/convolution.h"
#include "engine/cpu/fused_block.h"
#include "kernels/activation.h"
#include "kernels/batch_norm.h"
#include "kernels/loss.h"

namespace earshot {
namespace {

constexpr size_t kHugePage = 2 << 20;

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

BatchNormShape rows_of(const Tensor& t) { return {t.shape.rows(), t.shape.c}; }

/// c [m, n] = op(a) op(b) + beta c, row-major, with oneDNN's matrix product.
struct MatrixProduct {
  char transpose_a, transpose_b;
  int64_t m, n, k;
  const float *a, *b;
  float beta;
  float* c;
  void run(const char* layer) const {
    const int64_t lda = transpose_a == 'N' ? k : m, ldb = transpose_b == 'N' ? n : k;
    const dnnl_status_t status =
        dnnl_sgemm(transpose_a, transpose_b, m, n, k, 1.0f, a, lda, b, ldb, beta, c, n);
    if (status != dnnl_success)
      fail("layer {}: oneDNN matrix product {}x{}x{} failed (status {})", layer, m, n, k,
           static_cast<int>(status));
  }
};

/// Work is done when it is enqueued: to run it again is to enqueue it again.
class CpuRecording : public RecordedWork {
 public:
  explicit CpuRecording(const std::function<void()>& enqueue) : enqueue_(enqueue) {}
  void replay() override { enqueue_(); }

 private:
  std::function<void()> enqueue_;
};

class CpuMailbox : public Mailbox {
 public:
  CpuMailbox(const void* from, int64_t bytes)
      : from_(static_cast<const char*>(from)), bytes_(bytes) {}
  void send() override { sent_.emplace_back(from_, from_ + bytes_); }
  const void* receive(bool) override {
    if (sent_.empty()) return nullptr;
    received_ = std::move(sent_.front());
    sent_.pop_front();
    return received_.data();
  }

 private:
  const char* from_;
  int64_t bytes_;
  std::deque<std::vector<char>> sent_;
  std::vector<char> received_;
};

class CpuBackend : public Backend {
 public:
  CpuBackend(int threads, FusedBlockMaker fused) : fused_(std::move(fused)) {
    if (threads > 0) omp_set_num_threads(threads);
  }
  std::string name() const override { return "cpu"; }
  std::string description() const override {
    const dnnl_version_t* v = dnnl_version();
    return fmt::format("cpu: {}, {} threads, oneDNN {}.{}.{}", cpu_model(), omp_get_max_threads(),
                       v->major, v->minor, v->patch);
  }

  int64_t free_bytes() const override {
    std::ifstream info("/proc/meminfo");
    std::string key;
    for (int64_t kilobytes; info >> key >> kilobytes; info.ignore(64, '\n'))
      if (key == "MemAvailable:") return kilobytes * 1024;
    return std::numeric_limits<int64_t>::max();
  }
  bool has_own_memory() const override { return false; }
  DeviceMemory allocate(int64_t bytes, const char* what) override {
    if (bytes == 0) return {};
    const auto size = static_cast<size_t>(bytes);
    void* data = nullptr;
    if (posix_memalign(&data, size < kHugePage ? 64 : kHugePage, size) != 0)
      fail("not enough memory for {} ({:.0f} MB); use a smaller batch or width", what,
           1e-6 * static_cast<double>(bytes));
    // A hint: the pages of an arena are faulted in, and looked up, 512 at a time.
    if (size >= kHugePage) madvise(data, size, MADV_HUGEPAGE);
    return {data, bytes, [](void* p) { std::free(p); }};
  }
  DeviceMemory share(const void* from, int64_t bytes, const char*) override {
    return {const_cast<void*>(from), bytes, [](void*) {}};  // only ever read
  }
  void zero(const Tensor& t) override {
    if (t.bytes() > 0) std::memset(t.data, 0, static_cast<size_t>(t.bytes()));
  }
  void copy_to_device(const Tensor& to, const void* from) override {
    std::memcpy(to.data, from, static_cast<size_t>(to.bytes()));
  }
  void copy_to_host(void* to, const Tensor& from) override {
    std::memcpy(to, from.data, static_cast<size_t>(from.bytes()));
  }
  void synchronize() override {}
  std::unique_ptr<Mailbox> mailbox(const void* from, int64_t bytes) override {
    return std::make_unique<CpuMailbox>(from, bytes);
  }
  std::unique_ptr<RecordedWork> record(const std::function<void()>& enqueue) override {
    return std::make_unique<CpuRecording>(enqueue);
  }

  void set_numerics(const Numerics& numerics) override {
    if (numerics.precision == Precision::kF32 || warned_) return;
    warned_ = true;
    spdlog::warn("precision {}: the CPU computes in fp32", to_string(numerics.precision));
  }
  DType activation_type() const override { return DType::kF32; }
  void keep_plans(const std::filesystem::path&) override {}  // oneDNN measures nothing
  void convert(const Tensor& from, const Tensor& to) override {
    check_shape(to, from.shape, "convert");
    if (to.type == DType::kBf16)
      earshot::convert(from.shape.count(), from.f32(), to.bf16());
    else
      earshot::convert(from.shape.count(), from.bf16(), to.f32());
  }

  std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape, const ConvolutionUse& use,
                                           const std::string& layer) override {
    return make_cpu_convolution(shape, use, layer);
  }
  std::unique_ptr<FusedBlock> fused_block(const BlockShape& shape,
                                          const std::string& layer) override {
    return fused_ ? fused_(shape, layer) : make_cpu_fused_block(shape);
  }

  void batch_norm_train(const BatchNormForward& t) override {
    check_shape(t.y, t.x.shape, "batch norm");
    earshot::batch_norm_train(
        rows_of(t.x), t.x.f32(), t.gamma.f32(), t.beta.f32(), t.momentum, t.epsilon,
        {t.mean.f32(), t.inverse_deviation.f32(), t.moving_mean.f32(), t.moving_variance.f32()},
        t.y.f32());
  }
  void batch_norm_inference(const BatchNormForward& t) override {
    check_shape(t.y, t.x.shape, "batch norm");
    earshot::batch_norm_inference(rows_of(t.x), t.x.f32(), t.gamma.f32(), t.beta.f32(),
                                  t.moving_mean.f32(), t.moving_variance.f32(), t.epsilon,
                                  t.y.f32());
  }
  void batch_norm_backward(const BatchNormBackward& t) override {
    check_shape(t.dy, t.x.shape, "batch norm backward");
    earshot::batch_norm_backward(rows_of(t.x), t.x.f32(), t.dy.f32(), t.gamma.f32(), t.mean.f32(),
                                 t.inverse_deviation.f32(),
                                 {t.dx.f32(), t.dgamma.f32(), t.dbeta.f32()});
  }

  void dense_forward(const DenseForward& t) override {
    const int64_t n = t.x.shape.n, in = t.x.shape.features(), out = t.y.shape.c;
    check_shape(t.weight, {in, 1, 1, out}, "dense");
    check_shape(t.y, {n, 1, 1, out}, "dense");
    float* y = t.y.f32();
    for (int64_t i = 0; i < n; ++i)
      std::memcpy(y + i * out, t.bias.data, static_cast<size_t>(out) * sizeof(float));
    MatrixProduct{'N', 'N', n, out, in, t.x.f32(), t.weight.f32(), 1.0f, y}.run(t.y.name);
    if (t.activation == Activation::kRelu)
      for (int64_t i = 0; i < n * out; ++i) y[i] = y[i] > 0 ? y[i] : 0.0f;
  }
  void dense_backward(const DenseBackward& t) override {
    const int64_t n = t.x.shape.n, in = t.x.shape.features(), out = t.dy.shape.c;
    check_shape(t.dweight, {in, 1, 1, out}, "dense backward");
    float* dy = t.dy.f32();
    if (t.activation == Activation::kRelu) relu_backward(n * out, t.y.f32(), dy);
    MatrixProduct{'T', 'N', in, out, n, t.x.f32(), dy, 0.0f, t.dweight.f32()}.run(t.y.name);
    zero(t.dbias);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < out; ++c) t.dbias.f32()[c] += dy[i * out + c];
    if (t.dx.data)
      MatrixProduct{'N', 'T', n, in, out, dy, t.weight.f32(), 0.0f, t.dx.f32()}.run(t.y.name);
  }

  void dropout(const Dropout& t) override {
    earshot::dropout({t.rate, t.seed, t.step, t.layer}, t.x.shape.count(), t.x.f32(), t.y.f32());
  }
  void softmax_loss(const SoftmaxLoss& t) override {
    check_shape(t.targets, t.logits.shape, "softmax loss");
    earshot::softmax_loss({t.logits.shape.n, t.logits.shape.c}, t.logits.f32(), t.targets.f32(),
                          t.class_weights.f32(), t.loss.f32(), t.dlogits.f32());
  }
  void log_softmax(const Tensor& logits, const Tensor& out) override {
    check_shape(out, logits.shape, "log softmax");
    earshot::log_softmax({logits.shape.n, logits.shape.c}, logits.f32(), out.f32());
  }
  void add_metrics(const Tensor& logits, const Tensor& targets, const Tensor& loss,
                   MetricSums* sums) override {
    earshot::add_metrics({logits.shape.n, logits.shape.c}, logits.f32(), targets.f32(), loss.f32(),
                         sums);
  }
  void copy_columns(const Tensor& from, const Tensor& to, int64_t first) override {
    const int64_t count = from.shape.features(), stride = to.shape.features();
#pragma omp parallel for schedule(static) if (from.bytes() > (1 << 20))
    for (int64_t i = 0; i < from.shape.n; ++i)
      std::memcpy(to.f32() + i * stride + first, from.f32() + i * count,
                  static_cast<size_t>(count) * sizeof(float));
  }
  void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) override {
    check_channels(from, to, "copy cells");
    earshot::copy_cells(runs, to.shape.c, from.f32(), to.f32());
  }

  void report_step(const Tensor& loss, const Tensor& gradients, StepReport* report) override {
    earshot::report_step(loss.shape.count(), loss.f32(), gradients.shape.count(), gradients.f32(),
                         report);
  }
  void update(const Update& t) override {
    adam(t.values.f32(), t.gradients.f32(), t.m.f32(), t.v.f32(), t.values.shape.count(),
         &t.scalars->adam, &t.report->bad);
    restore_where_bad(t.report, t.statistics.shape.count(), t.saved_statistics.f32(),
                      t.statistics.f32());
  }

  void gather_wave(const GatherPlanView& plan, const WaveSource& source,
                   const Tensor& out) override {
    check_shape(out, {plan.examples, 1, out.shape.w, 1}, "gather wave");
    earshot::gather_wave(plan, source, out.shape.w, out.f32());
  }
  void gather_mel(const GatherPlanView& plan, const MelSource& source, const Tensor& out) override {
    check_shape(out, {plan.examples, 128, out.shape.w, 1}, "gather mel");
    earshot::gather_mel(plan, source, out.shape.w, out.f32());
  }
  void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) override {
    const int64_t n = wave.shape.n, t = wave.shape.w, w = out.shape.w, frames = 1 + t / 256;
    check_shape(out, {n, 128, w, 1}, "log-mel");
#pragma omp parallel
    {
      LogMel extractor(settings);
      std::vector<float> columns(static_cast<size_t>(frames * 128));
#pragma omp for schedule(static)
      for (int64_t i = 0; i < n; ++i) {
        extractor.extract({wave.f32() + i * t, static_cast<size_t>(t)}, columns.data());
        resize_columns(columns.data(), frames, w, out.f32() + i * 128 * w);
      }
    }
  }
  void log_mel_clips(const ClipsLogMel& t) override {
    const auto clips = static_cast<int64_t>(t.samples.size());
#pragma omp parallel
    {
      LogMel extractor(t.settings);
      std::vector<float> wave;
#pragma omp for schedule(dynamic)
      for (int64_t i = 0; i < clips; ++i) {
        wave.assign(t.samples[i].begin(), t.samples[i].end());
        for (float& x : wave) x /= 32768.0f;
        t.floor[i] = extractor.extract(wave, t.columns[i]);
      }
    }
  }

 private:
  FusedBlockMaker fused_;
  bool warned_ = false;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(int threads, FusedBlockMaker fused) {
  return std::make_unique<CpuBackend>(threads, std::move(fused));
}

}  // namespace earshot
