// The only door to vendor libraries: everything a device does for a training step, as coarse
// operations on tensors. `engine/cpu` stands behind it with oneDNN, `engine/cuda` with cuDNN,
// cuBLASLt and cuFFT. Operations are enqueued in order; only `copy_to_host`, `synchronize` and a
// mailbox that is asked to wait.
//
// Gradients are named d<tensor>. "dy may be overwritten" means that its memory serves as scratch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/precision.h"
#include "engine/tensor.h"
#include "kernels/cells.h"
#include "kernels/gather.h"
#include "kernels/log_mel.h"
#include "kernels/metrics.h"
#include "kernels/step.h"

namespace earshot {

/// Memory of the device, freed on destruction.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(void* data, int64_t bytes, std::function<void(void*)> release)
      : block_(data, std::move(release)), bytes_(bytes) {}
  void* data() const { return block_.get(); }
  int64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<void, std::function<void(void*)>> block_{nullptr, [](void*) {}};
  int64_t bytes_ = 0;
};

/// 'same' convolution with stride 1, (k-1)/2 cells of zeros before and k/2 after, then bias, ReLU
/// and max-pool (stride = size, floor; 1x1: none). A 1-D convolution has h = kernel_h = pool_h = 1.
struct ConvolutionShape {
  int64_t n, h, w, c_in, c_out;
  int64_t kernel_h, kernel_w;
  int64_t pool_h, pool_w;

  Shape x() const { return {n, h, w, c_in}; }
  Shape weight() const { return {c_out, kernel_h, kernel_w, c_in}; }
  Shape unpooled() const { return {n, h, w, c_out}; }
  Shape y() const { return {n, h / pool_h, w / pool_w, c_out}; }
  bool pooled() const { return pool_h * pool_w > 1; }
  /// Multiply-adds count twice; forward pass.
  double flops() const {
    return 2.0 * double(n * h * w) * double(c_out) * double(kernel_h * kernel_w * c_in);
  }
};

/// x is float32 or the activation type, weight, bias, y, dy and dx the activation type; dweight and
/// dbias float32. y = maxpool(relu(conv(x, weight) + bias)); argmax [y's shape, u8] is the winning
/// cell of each window, row-major, the first of equals; without data where nobody asks for it.
struct ConvolutionForward {
  Tensor x, weight, bias, y, argmax, scratch;
};
/// From dy: dweight, dbias, and dx unless it has no data. dy may be overwritten.
struct ConvolutionBackward {
  Tensor x, weight, y, argmax, dy, dx, dweight, dbias, scratch;
};

enum class Gradients { kNone, kWeight, kWeightAndInput };
/// How gradients pass a pool: through the whole input, or from the winners alone.
enum class PooledBackward { kFastest, kDense, kSparse };

/// What a convolution is planned for.
struct ConvolutionUse {
  Gradients gradients = Gradients::kWeightAndInput;
  PooledBackward pooled = PooledBackward::kFastest;
};

/// A planned convolution for one shape: its library algorithms are chosen at construction.
class Convolution {
 public:
  virtual ~Convolution() = default;
  virtual int64_t forward_scratch() const = 0;   // bytes
  virtual int64_t backward_scratch() const = 0;  // bytes; may be 0 without gradients
  virtual void forward(const ConvolutionForward& t) = 0;
  virtual void backward(const ConvolutionBackward& t) = 0;
  /// Library implementations in use, for logs and tests ("jit:avx512_core", ...).
  virtual std::string implementation() const = 0;
};

/// Convolutions in a row, each the input of the next, only the last one pooled.
struct BlockShape {
  std::vector<ConvolutionShape> convolutions;
  Gradients gradients;
};
/// `layers`: of each convolution in order.
struct BlockForward {
  struct Layer {
    Tensor weight, bias;
  };
  Tensor x;
  std::vector<Layer> layers;
  Tensor y, argmax, scratch;
};
/// dy may be overwritten.
struct BlockBackward {
  struct Layer {
    Tensor weight, bias, dweight, dbias;
  };
  Tensor x;
  std::vector<Layer> layers;
  Tensor y, argmax, dy, dx, scratch;
};

/// A whole block as one operation that stores nothing between its convolutions: backward computes
/// what it needs again from x.
class FusedBlock {
 public:
  virtual ~FusedBlock() = default;
  virtual int64_t forward_scratch() const = 0;   // bytes
  virtual int64_t backward_scratch() const = 0;  // bytes
  virtual void forward(const BlockForward& t) = 0;
  virtual void backward(const BlockBackward& t) = 0;
};

/// Statistics are per channel over n, h and w, and float32; x and dx are stored as one type, y and
/// dy as the same or as float32.
struct BatchNormForward {
  Tensor x, gamma, beta, moving_mean, moving_variance, y;  // moving_*: left alone without data
  Tensor mean, inverse_deviation;                          // [1, 1, 1, c] saved for backward
  float momentum, epsilon;
};
struct BatchNormBackward {
  Tensor x, gamma, mean, inverse_deviation, dy, dx, dgamma, dbeta;
};

enum class Activation { kNone, kRelu };

/// y [n, out] = activation(x [n, in] weight [in, out] + bias [out])
struct DenseForward {
  Tensor x, weight, bias, y;
  Activation activation;
};
/// dx is left out where it has no data. dy may be overwritten.
struct DenseBackward {
  Tensor x, weight, y, dy, dx, dweight, dbias;
  Activation activation;
};

/// loss[i] = -(sum_c y_c w_c) sum_c y_c log softmax(logits_i)_c, and dlogits of their sum divided
/// by n. dlogits is left out where it has no data (paper 2.5; weights of 1: validation loss).
struct SoftmaxLoss {
  Tensor logits, targets, class_weights, loss, dlogits;
};

/// Inverted dropout: y = x / (1 - rate) where Philox(seed, step, cell) >= rate, else 0.
struct Dropout {
  Tensor x, y;
  float rate;
  uint64_t seed;
  const uint32_t* step;  // on the device
  uint32_t layer;
};

/// Adam on the parameters. Where the report is bad they stay as they are, and `statistics` become
/// `saved_statistics`, what they were before the step.
struct Update {
  Tensor values, gradients, m, v, statistics, saved_statistics;
  const StepScalars* scalars;  // both on the device
  const StepReport* report;
};

/// Enqueued work that can be run again. What it read from the host when it was recorded stays as it
/// was; what it reads from the device's memory is read anew.
class RecordedWork {
 public:
  virtual ~RecordedWork() = default;
  virtual void replay() = 0;
};

/// Copies of a small block of the device's memory on their way to the host, oldest first.
class Mailbox {
 public:
  static constexpr int kCapacity = 4;
  virtual ~Mailbox() = default;
  /// Enqueues a copy of the block as it is by then. At most kCapacity may be under way.
  virtual void send() = 0;
  /// The oldest copy, until the next call: null where it has not arrived and `wait` is false, or
  /// none is under way.
  virtual const void* receive(bool wait) = 0;
};

/// Log-mel of whole clips, as LogMel::extract gives it. All of it lies on the host.
struct ClipsLogMel {
  std::vector<std::span<const int16_t>> samples;  // of each clip, full scale 32768; not empty
  LogMelSettings settings;
  std::vector<float*> columns;  // of each clip: [1 + samples / 256, 128]
  float* floor;                 // [clips]
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;         // "cpu" or "cuda:0"
  virtual std::string description() const = 0;  // device, threads, library versions

  /// Bytes that can still be allocated.
  virtual int64_t free_bytes() const = 0;
  /// Whether the device reads memory of its own alone: then share() copies.
  virtual bool has_own_memory() const = 0;
  // Memory. `what` names the block where there is not enough.
  virtual DeviceMemory allocate(int64_t bytes, const char* what) = 0;
  /// `bytes` at `from` where this device can read them: a copy, or the very same on the CPU. The
  /// original must stay.
  virtual DeviceMemory share(const void* from, int64_t bytes, const char* what) = 0;
  virtual void zero(const Tensor& t) = 0;
  virtual void copy_to_device(const Tensor& to, const void* from) = 0;
  virtual void copy_to_host(void* to, const Tensor& from) = 0;
  virtual void synchronize() = 0;
  /// Lets a profiler that waits for it begin and end; false where the device has none.
  virtual bool start_profiler() { return false; }
  virtual void stop_profiler() {}
  /// Of `bytes` at `from` on the device.
  virtual std::unique_ptr<Mailbox> mailbox(const void* from, int64_t bytes) = 0;

  /// Records what `enqueue` enqueues, without running it: operations of this backend, none of which
  /// copies from or to the host. On a GPU every library plan that they need must have been made:
  /// run them once before. `enqueue` must live as long as the recording.
  virtual std::unique_ptr<RecordedWork> record(const std::function<void()>& enqueue) = 0;

  /// Numbers of the layers planned and run from here on. The CPU computes in float32 whatever is
  /// asked for, so that it goes on with a run of a GPU; it warns once.
  virtual void set_numerics(const Numerics& numerics) = 0;
  /// What convolution blocks store their outputs, the gradients of these and their weights as.
  virtual DType activation_type() const = 0;
  /// Where algorithms are chosen by their speed, the choices from here on are kept in this file
  /// and, where it has them, taken from it: a resumed run computes the same bits.
  virtual void keep_plans(const std::filesystem::path& file) = 0;
  /// to = from, rounded where `to` is stored narrower.
  virtual void convert(const Tensor& from, const Tensor& to) = 0;

  // Layers.
  virtual std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape,
                                                   const ConvolutionUse& use,
                                                   const std::string& layer) = 0;
  /// Null where this device has none for the shape and precision: the block is then composed of its
  /// convolutions.
  virtual std::unique_ptr<FusedBlock> fused_block(const BlockShape& shape,
                                                  const std::string& layer) = 0;
  virtual void batch_norm_train(const BatchNormForward& t) = 0;
  virtual void batch_norm_inference(const BatchNormForward& t) = 0;
  virtual void batch_norm_backward(const BatchNormBackward& t) = 0;
  virtual void dense_forward(const DenseForward& t) = 0;
  virtual void dense_backward(const DenseBackward& t) = 0;
  virtual void dropout(const Dropout& t) = 0;  // forward, and backward with dy as x
  virtual void softmax_loss(const SoftmaxLoss& t) = 0;
  virtual void log_softmax(const Tensor& logits, const Tensor& out) = 0;
  /// Adds a batch to the sums on the device (kernels/metrics.h).
  virtual void add_metrics(const Tensor& logits, const Tensor& targets, const Tensor& loss,
                           MetricSums* sums) = 0;
  /// to[i, first ... first + from.features) = from[i]: joins feature vectors.
  virtual void copy_columns(const Tensor& from, const Tensor& to, int64_t first) = 0;
  /// Cells of `from` into cells of `to` (kernels/cells.h); the runs lie on the device.
  virtual void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) = 0;

  // The end of a step (kernels/step.h); parameters of each kind in one buffer.
  /// report on the device.
  virtual void report_step(const Tensor& loss, const Tensor& gradients, StepReport* report) = 0;
  virtual void update(const Update& t) = 0;

  // Batches from the clip store (kernels/gather.h); plan and source on the device.
  virtual void gather_wave(const GatherPlanView& plan, const WaveSource& source,
                           const Tensor& out) = 0;
  virtual void gather_mel(const GatherPlanView& plan, const MelSource& source,
                          const Tensor& out) = 0;
  /// wave [n, 1, t, 1] -> log-mel of each example, resized to out [n, 128, w, 1].
  virtual void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) = 0;
  /// For a store that is being made. Waits.
  virtual void log_mel_clips(const ClipsLogMel& t) = 0;
};

using FusedBlockMaker =
    std::function<std::unique_ptr<FusedBlock>(const BlockShape& shape, const std::string& layer)>;
/// The CPU backend: oneDNN on `threads` threads (0: all). Its fused blocks are
/// its own, or those of `fused`.
std::unique_ptr<Backend> make_cpu_backend(int threads, FusedBlockMaker fused = nullptr);

}  // namespace earshot
