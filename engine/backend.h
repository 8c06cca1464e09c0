// The only door to vendor libraries: everything a device does for a training step, as coarse
// operations on tensors. `engine/cpu` stands behind it with oneDNN, `engine/cuda` with cuDNN,
// cuBLASLt and cuFFT. Operations are enqueued in order; only `copy_to_host` and `synchronize` wait.
//
// Gradients are named d<tensor>. "dy may be overwritten" means that its memory serves as scratch.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/precision.h"
#include "engine/tensor.h"
#include "kernels/adam.h"
#include "kernels/cells.h"
#include "kernels/gather.h"
#include "kernels/log_mel.h"

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

/// y = maxpool(relu(conv(x, weight) + bias)); argmax [y's shape, u8] is the winning cell of each
/// window, row-major, the first of equals. Unused (no data) where there is no pool.
struct ConvolutionForward {
  Tensor x, weight, bias, y, argmax, scratch;
};
/// From dy: dweight, dbias, and dx unless it has no data. dy may be overwritten.
struct ConvolutionBackward {
  Tensor x, weight, y, argmax, dy, dx, dweight, dbias, scratch;
};

/// A planned convolution for one shape: its library algorithms are chosen at construction.
class Convolution {
 public:
  virtual ~Convolution() = default;
  virtual int64_t forward_scratch() const = 0;   // bytes
  virtual int64_t backward_scratch() const = 0;  // bytes
  virtual void forward(const ConvolutionForward& t) = 0;
  virtual void backward(const ConvolutionBackward& t) = 0;
  /// Library implementations in use, for logs and tests ("jit:avx512_core", ...).
  virtual std::string implementation() const = 0;
};

/// Convolutions in a row, each the input of the next, only the last one pooled.
struct BlockShape {
  std::vector<ConvolutionShape> convolutions;
  bool wants_dx;  // backward must give the gradient of x
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

/// Statistics are per channel over n, h and w.
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
  uint32_t step, layer;
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
  // Memory. `what` names the block where there is not enough.
  virtual DeviceMemory allocate(int64_t bytes, const char* what) = 0;
  /// `bytes` at `from` where this device can read them: a copy, or the very same on the CPU. The
  /// original must stay.
  virtual DeviceMemory share(const void* from, int64_t bytes, const char* what) = 0;
  virtual void zero(const Tensor& t) = 0;
  virtual void copy_to_device(const Tensor& to, const void* from) = 0;
  virtual void copy_to_host(void* to, const Tensor& from) = 0;
  virtual void synchronize() = 0;

  /// Numbers of the layers planned and run from here on. Throws UsageError where the device has
  /// not this precision.
  virtual void set_precision(Precision precision) = 0;

  // Layers.
  virtual std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape,
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
  /// to[i, first ... first + from.features) = from[i]: joins feature vectors.
  virtual void copy_columns(const Tensor& from, const Tensor& to, int64_t first) = 0;
  /// Cells of `from` into cells of `to` (kernels/cells.h); the runs lie on the device.
  virtual void copy_cells(const CellRuns& runs, const Tensor& from, const Tensor& to) = 0;

  // Parameters, each kind in one buffer.
  virtual void adam(const Tensor& parameters, const Tensor& gradients, const Tensor& m,
                    const Tensor& v, const AdamStep& step) = 0;
  /// True where every element is finite. Waits.
  virtual bool all_finite(const Tensor& t) = 0;

  // Batches from the clip store (kernels/gather.h).
  virtual void gather_wave(const GatherPlan& plan, const WaveSource& source, const Tensor& out) = 0;
  virtual void gather_mel(const GatherPlan& plan, const MelSource& source, const Tensor& out) = 0;
  /// wave [n, 1, t, 1] -> log-mel of each example, resized to out [n, 128, w, 1].
  virtual void log_mel(const Tensor& wave, const LogMelSettings& settings, const Tensor& out) = 0;
  /// For a store that is being made. Waits.
  virtual void log_mel_clips(const ClipsLogMel& t) = 0;
};

using FusedBlockMaker =
    std::function<std::unique_ptr<FusedBlock>(const BlockShape& shape, const std::string& layer)>;
/// The CPU backend: oneDNN on `threads` threads (0: all). It has the fused blocks that it is given.
std::unique_ptr<Backend> make_cpu_backend(int threads, FusedBlockMaker fused = nullptr);

}  // namespace earshot
