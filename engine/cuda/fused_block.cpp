#include "engine/cuda/fused_block.h"

#include "engine/wave_block.h"
#include "kernels/fused_block.h"

namespace earshot::cuda {
namespace {

class CudaFusedBlock : public FusedBlock {
 public:
  CudaFusedBlock(Device& device, const FusedBlockShape& shape, FusedFactors factors,
                 const std::string& layer)
      : device_(device), s_(shape), factors_(factors), layer_(layer) {}

  int64_t forward_scratch() const override {
    return fused_block_forward_scratch(s_, factors_) * int64_t{sizeof(float)};
  }
  int64_t backward_scratch() const override {
    return fused_block_backward_scratch(s_, factors_) * int64_t{sizeof(float)};
  }

  void forward(const BlockForward& t) override {
    check_shape(t.x, {s_.n, 1, s_.w, 1}, "fused block");
    check_shape(t.y, y(), "fused block");
    const BlockForward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    launching(layer_.c_str(), t.x, [&] {
      fused_block_forward(
          s_, factors_,
          {t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(), second.bias.f32(),
           t.y.f32(), t.argmax.u8(), static_cast<float*>(t.scratch.data)},
          device_.stream());
    });
  }

  void backward(const BlockBackward& t) override {
    check_shape(t.x, {s_.n, 1, s_.w, 1}, "fused block backward");
    check_shape(t.dy, y(), "fused block backward");
    const BlockBackward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    launching(layer_.c_str(), t.x, [&] {
      fused_block_backward(
          s_, factors_,
          {t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(), t.y.f32(),
           t.argmax.u8(), t.dy.f32(), first.dweight.f32(), first.dbias.f32(), second.dweight.f32(),
           second.dbias.f32(), static_cast<float*>(t.scratch.data)},
          device_.stream());
    });
  }

 private:
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
  if (!shape || precision == Precision::kBf16) return nullptr;
  const auto factors = precision == Precision::kTf32 ? FusedFactors::kTf32 : FusedFactors::kF32;
  return std::make_unique<CudaFusedBlock>(device, *shape, factors, layer);
}

}  // namespace earshot::cuda
