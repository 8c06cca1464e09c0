#include "engine/cpu/fused_block.h"

#include <omp.h>

#include "engine/cpu/convolution.h"
#include "engine/wave_block.h"
#include "kernels/fused_block.h"
#include "kernels/line_conv.h"
#include "kernels/mono_conv.h"
#include "kernels/spec_block.h"

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

/// Forward alone.
class CpuSpecBlock : public FusedBlock {
 public:
  explicit CpuSpecBlock(const ConvolutionShape& second)
      : second_(second), block_(kernel_shape(second), omp_get_max_threads()) {}

  int64_t forward_scratch() const override {
    return block_.forward_scratch() * int64_t{sizeof(float)};
  }
  int64_t backward_scratch() const override { return 0; }

  void forward(const BlockForward& t) override {
    check_shape(t.x, {second_.n, second_.h, second_.w, 1}, "fused block");
    check_shape(t.y, second_.y(), "fused block");
    const BlockForward::Layer &first = t.layers.at(0), &second = t.layers.at(1);
    block_.forward({t.x.f32(), first.weight.f32(), first.bias.f32(), second.weight.f32(),
                    second.bias.f32(), t.y.f32()},
                   t.scratch.f32());
  }
  void backward(const BlockBackward&) override {
    fail("fused block: it was planned without gradients");
  }

 private:
  ConvolutionShape second_;
  SpecBlock block_;
};

bool spec_block_pays(const BlockShape& block) {
  if (block.gradients != Gradients::kNone || block.convolutions.size() != 2) return false;
  const PooledConvShape first = kernel_shape(block.convolutions[0]);
  return mono_conv_fits(first) && first.kernel_h == 4 &&
         SpecBlock::pays(kernel_shape(block.convolutions[1]));
}

}  // namespace

std::unique_ptr<FusedBlock> make_cpu_fused_block(const BlockShape& block) {
  if (spec_block_pays(block)) return std::make_unique<CpuSpecBlock>(block.convolutions[1]);
  const std::optional<FusedBlockShape> shape = wave_block(block);
  if (!shape || !fused_block_fits(*shape)) return nullptr;
  return std::make_unique<CpuWaveBlock>(*shape, block.gradients);
}

}  // namespace earshot
