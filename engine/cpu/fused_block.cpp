#include "engine/cpu/fused_block.h"

#include <omp.h>

#include "engine/wave_block.h"
#include "kernels/fused_block.h"
#include "kernels/line_conv.h"

namespace earshot {
namespace {

class CpuWaveBlock : public FusedBlock {
 public:
  CpuWaveBlock(const FusedBlockShape& shape, Gradients gradients)
      : s_(shape),
        threads_(omp_get_max_threads()),
        tile_(gradients == Gradients::kNone ? LineConv::kForwardTile : LineConv::kTile) {}

  int64_t forward_scratch() const override {
    return fused_block_forward_scratch(s_, threads_, tile_) * int64_t{sizeof(float)};
  }
  int64_t backward_scratch() const override {
    return fused_block_backward_scratch(s_) * int64_t{sizeof(float)};
  }

  void forward(const BlockForward& t) override {
    check_shape(t.x, {s_.n, 1, s_.w, 1}, "fused block");
    check_shape(t.y, y(), "fused block");
    const BlockForward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    fused_block_forward(s_,
                        {t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(),
                         second.bias.f32(), t.y.f32(), t.argmax.u8(), t.scratch.f32()},
                        threads_, tile_);
  }
  void backward(const BlockBackward& t) override {
    check_shape(t.x, {s_.n, 1, s_.w, 1}, "fused block backward");
    check_shape(t.dy, y(), "fused block backward");
    const BlockBackward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    fused_block_backward(
        s_, {t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(), t.y.f32(),
             t.argmax.u8(), t.dy.f32(), first.dweight.f32(), first.dbias.f32(),
             second.dweight.f32(), second.dbias.f32(), t.scratch.f32()});
  }

 private:
  Shape y() const { return {s_.n, 1, s_.out_w(), s_.c_out}; }
  FusedBlockShape s_;
  int threads_;
  int64_t tile_;
};

}  // namespace

std::unique_ptr<FusedBlock> make_cpu_fused_block(const BlockShape& block) {
  const std::optional<FusedBlockShape> shape = wave_block(block);
  if (!shape || !fused_block_fits(*shape)) return nullptr;
  return std::make_unique<CpuWaveBlock>(*shape, block.gradients);
}

}  // namespace earshot
