#include "engine/cuda/fused_block.h"

#include "engine/pieces.h"
#include "engine/wave_block.h"
#include "kernels/bf16.h"
#include "kernels/fused_block.h"

namespace earshot::cuda {
namespace {

class CudaFusedBlock : public FusedBlock {
 public:
  CudaFusedBlock(Device& device, const FusedBlockShape& shape, FusedFactors factors,
                 const std::string& layer)
      : device_(device), s_(shape), factors_(factors), layer_(layer) {}

  int64_t forward_scratch() const override { return ForwardScratch(*this, nullptr).bytes; }
  int64_t backward_scratch() const override { return BackwardScratch(*this, nullptr).bytes; }

  void forward(const BlockForward& t) override {
    check_shape(t.x, {s_.n, 1, s_.w, 1}, "fused block");
    check_shape(t.y, y(), "fused block");
    const BlockForward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    const ForwardScratch scratch(*this, t.scratch.data);
    float* const to = rounds() ? scratch.y : t.y.f32();
    launching(layer_.c_str(), t.x, [&] {
      fused_block_forward(s_, factors_,
                          {t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(),
                           second.bias.f32(), to, t.argmax.u8(), scratch.kernels},
                          device_.stream());
      if (rounds()) convert(y().count(), to, t.y.bf16(), device_.stream());
    });
  }

  void backward(const BlockBackward& t) override {
    check_shape(t.x, {s_.n, 1, s_.w, 1}, "fused block backward");
    check_shape(t.dy, y(), "fused block backward");
    const BlockBackward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    const BackwardScratch scratch(*this, t.scratch.data);
    launching(layer_.c_str(), t.x, [&] {
      const float* from = rounds() ? widened(t.y, scratch.y) : t.y.f32();
      const float* gradient = rounds() ? widened(t.dy, scratch.dy) : t.dy.f32();
      fused_block_backward(s_, factors_,
                           {t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(),
                            from, t.argmax.u8(), gradient, first.dweight.f32(), first.dbias.f32(),
                            second.dweight.f32(), second.dbias.f32(), scratch.kernels},
                           device_.stream());
    });
  }

 private:
  /// The kernels' own, and where activations are bf16, the pooled tensors in float32: they are a
  /// small part of what the block would otherwise store.
  struct ForwardScratch {
    ForwardScratch(const CudaFusedBlock& b, void* base) {
      Pieces pieces(base);
      kernels = static_cast<float*>(
          pieces.take(fused_block_forward_scratch(b.s_, b.factors_) * kFloatBytes));
      y = static_cast<float*>(pieces.take(b.widened_bytes()));
      bytes = pieces.used();
    }
    float *kernels, *y;
    int64_t bytes;
  };
  struct BackwardScratch {
    BackwardScratch(const CudaFusedBlock& b, void* base) {
      Pieces pieces(base);
      kernels = static_cast<float*>(
          pieces.take(fused_block_backward_scratch(b.s_, b.factors_) * kFloatBytes));
      y = static_cast<float*>(pieces.take(b.widened_bytes()));
      dy = static_cast<float*>(pieces.take(b.widened_bytes()));
      bytes = pieces.used();
    }
    float *kernels, *y, *dy;
    int64_t bytes;
  };
  bool rounds() const { return factors_ == FusedFactors::kBf16; }
  int64_t widened_bytes() const { return rounds() ? y().count() * kFloatBytes : 0; }
  const float* widened(const Tensor& stored, float* to) const {
    convert(stored.shape.count(), stored.bf16(), to, device_.stream());
    return to;
  }
  Shape y() const { return {s_.n, 1, s_.out_w(), s_.c_out}; }

  Device& device_;
  FusedBlockShape s_;
  FusedFactors factors_;
  std::string layer_;
};

}  // namespace

std::unique_ptr<FusedBlock> make_fused_block(Device& device, const BlockShape& block,
                                             Precision precision, const std::string& layer) {
  const std::optional<FusedBlockShape> shape = wave_block(block);
  if (!shape) return nullptr;
  const auto factors = precision == Precision::kBf16   ? FusedFactors::kBf16
                       : precision == Precision::kTf32 ? FusedFactors::kTf32
                                                       : FusedFactors::kF32;
  return std::make_unique<CudaFusedBlock>(device, *shape, factors, layer);
}

}  // namespace earshot::cuda
