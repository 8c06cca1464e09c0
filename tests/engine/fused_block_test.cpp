// Blocks in their fused form: chosen in plan, equal to the composed form, and lean. The fused form
// is the device's, on the block emulator.
#include <gtest/gtest.h>
#include <stdlib.h>

#include "engine/conv_block.h"
#include "engine/wave_block.h"
#include "models/networks.h"
#include "tests/emulator/emulator.h"
#include "tests/engine/backend_fixture.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// A tensor of the backend as an array of the emulated device, and back.
template <typename T>
emulator::Input<T> input(const Tensor& t) {
  const T* from = static_cast<const T*>(t.data);
  return {t.name, std::vector<T>(from, from + t.shape.count())};
}
template <typename T>
emulator::Output<T> output(const Tensor& t) {
  return {t.name, t.shape.count()};
}
template <typename T>
void copy(const emulator::Output<T>& from, const Tensor& to) {
  const std::vector<T> values = from.values();
  std::copy(values.begin(), values.end(), static_cast<T*>(to.data));
}

class EmulatedBlock : public FusedBlock {
 public:
  explicit EmulatedBlock(const FusedBlockShape& shape) : s_(shape) {}
  int64_t forward_scratch() const override { return 0; }
  int64_t backward_scratch() const override {
    return cuda::fused_block_backward_scratch(s_, FusedFactors::kF32) * 4;
  }

  void forward(const BlockForward& t) override {
    const auto x = input<float>(t.x), weight1 = input<float>(t.layers[0].weight),
               bias1 = input<float>(t.layers[0].bias), weight2 = input<float>(t.layers[1].weight),
               bias2 = input<float>(t.layers[1].bias);
    const auto y = output<float>(t.y);
    const auto argmax = output<uint8_t>(t.argmax);
    cuda::fused_block_forward(s_, FusedFactors::kF32,
                              {x.data(), weight1.data(), bias1.data(), weight2.data(), bias2.data(),
                               y.data(), argmax.data(), nullptr},
                              nullptr);
    copy(y, t.y);
    copy(argmax, t.argmax);
  }
  void backward(const BlockBackward& t) override {
    ASSERT_GE(t.scratch.bytes(), backward_scratch());
    const auto x = input<float>(t.x), weight1 = input<float>(t.layers[0].weight),
               bias1 = input<float>(t.layers[0].bias), weight2 = input<float>(t.layers[1].weight),
               y = input<float>(t.y), dy = input<float>(t.dy);
    const auto argmax = input<uint8_t>(t.argmax);
    const auto dweight1 = output<float>(t.layers[0].dweight),
               dbias1 = output<float>(t.layers[0].dbias),
               dweight2 = output<float>(t.layers[1].dweight),
               dbias2 = output<float>(t.layers[1].dbias);
    const emulator::Output<float> scratch(
        "scratch", cuda::fused_block_backward_scratch(s_, FusedFactors::kF32));
    cuda::fused_block_backward(
        s_, FusedFactors::kF32,
        {x.data(), weight1.data(), bias1.data(), weight2.data(), y.data(), argmax.data(), dy.data(),
         dweight1.data(), dbias1.data(), dweight2.data(), dbias2.data(), scratch.data()},
        nullptr);
    copy(dweight1, t.layers[0].dweight);
    copy(dbias1, t.layers[0].dbias);
    copy(dweight2, t.layers[1].dweight);
    copy(dbias2, t.layers[1].dbias);
  }

 private:
  FusedBlockShape s_;
};

int made = 0;

Backend& fusing_backend() {
  static const auto backend = make_cpu_backend(
      2, [](const BlockShape& block, const std::string&) -> std::unique_ptr<FusedBlock> {
        const auto shape = wave_block(block);
        if (!shape) return nullptr;
        ++made;
        return std::make_unique<EmulatedBlock>(*shape);
      });
  return *backend;
}

/// One block over a wave with everything it needs.
struct Pass {
  static constexpr Shape kInput{3, 1, 150, 1};
  Backend& backend;
  Parameters parameters;
  ArenaPlan arena;
  ConvBlock block;
  DeviceMemory memory;

  explicit Pass(Backend& on)
      : backend(on), block(on, parameters, "block", {{{1, 11, 8}, {1, 11, 6}}, 1, 16}, 1) {
    Planner planner(arena, {3, 2});
    planner.training = true;
    planner.advance();
    block.plan(planner, kInput);
    arena.lay_out();
    parameters.allocate(backend, /*trained=*/true);
    Parameters::Snapshot start = parameters.snapshot();
    start.values = coarse_values(static_cast<int64_t>(start.values.size()), 1);
    parameters.restore(start);
    memory = backend.allocate(arena.bytes(), "arena");
    block.bind({arena, memory.data()});
  }
  std::vector<float> host(const Tensor& t) const {
    std::vector<float> values(static_cast<size_t>(t.shape.count()));
    backend.copy_to_host(values.data(), t);
    return values;
  }
  /// y, then dweight1, dbias1, dweight2, dbias2.
  std::vector<std::vector<float>> step(int64_t n) {
    const GuardedTensor x(backend, kInput, "x", coarse_values(kInput.count(), 2));
    const Tensor y = block.forward((*x).first(n), {Mode::kTrain});
    const GuardedTensor dy(backend, y.shape, "dy", random_values(y.shape.count(), 3));
    std::vector<std::vector<float>> all{host(y)};
    EXPECT_EQ(block.backward(*dy).data, nullptr);
    for (int id = 0; id < 4; ++id) all.push_back(host(parameters.gradient(id)));
    return all;
  }
};

/// EARSHOT_BLOCKS for the life of this.
struct Blocks {
  explicit Blocks(const char* value) { setenv("EARSHOT_BLOCKS", value, 1); }
  ~Blocks() { unsetenv("EARSHOT_BLOCKS"); }
};

// Forward is exact on coarse values in either form, so both have the same winners.
TEST(FusedBlock, EqualsTheComposedForm) {
  made = 0;
  Pass fused(fusing_backend()), composed(open_backend({"cpu", Precision::kF32}));
  EXPECT_EQ(made, 2);  // batches
  for (const int64_t n : {3, 2}) {
    const auto a = fused.step(n), b = composed.step(n);
    EXPECT_EQ(a[0], b[0]) << "y of " << n;
    for (size_t i = 1; i < a.size(); ++i) {
      const auto expected = widen(b[i]);
      // Either form is rounded; the sums are over samples, and for the first layer over channels.
      const double sum = 2 * (growth(n * 150) + growth(11 * 6));
      expect_close(a[i], expected, rounding_of_largest(sum, expected),
                   "gradient " + std::to_string(i) + " of " + std::to_string(n));
    }
  }
  const std::string error = error_of([&] { fused.step(1); });
  EXPECT_TRUE(contains(error, "block") && contains(error, "1")) << error;
}

TEST(FusedBlock, KeepsItsOutputAlone) {
  const Pass fused(fusing_backend()), composed(open_backend({"cpu", Precision::kF32}));
  const auto names = [](const Pass& pass) {
    std::string all;
    for (const auto& entry : pass.arena.entries()) all += entry.name + " ";
    return all;
  };
  EXPECT_EQ(names(fused), "block.conv2.y block.conv2.argmax block.scratch block.dscratch ");
  EXPECT_TRUE(contains(names(composed), "block.conv1.y")) << names(composed);
}

TEST(FusedBlock, TheEnvironmentKeepsToTheComposedForm) {
  made = 0;
  {
    const Blocks blocks("composed");
    Pass pass(fusing_backend());
    EXPECT_EQ(made, 0);
    EXPECT_EQ(pass.step(3), Pass(open_backend({"cpu", Precision::kF32})).step(3));
  }
  const Blocks blocks("fast");
  const std::string error = error_of([&] { const Pass pass(fusing_backend()); });
  EXPECT_TRUE(contains(error, "EARSHOT_BLOCKS=fast")) << error;
}

TEST(FusedBlock, TheEnvironmentKeepsToTheLibrary) {
  const Blocks blocks("library");
  made = 0;
  const Pass pass(fusing_backend());
  EXPECT_EQ(made, 0);
  const ConvolutionShape last{3, 1, 150, 8, 6, 1, 11, 1, 16};
  const auto scratch = [&](PooledBackward pooled) {
    return pass.backend.convolution(last, {Gradients::kWeightAndInput, pooled}, "conv2")
        ->backward_scratch();
  };
  ASSERT_NE(scratch(PooledBackward::kDense), scratch(PooledBackward::kFastest));
  const auto& entries = pass.arena.entries();
  const auto planned = std::find_if(entries.begin(), entries.end(), [](const auto& entry) {
    return entry.name == "block.conv2.dscratch";
  });
  ASSERT_NE(planned, entries.end());
  EXPECT_EQ(planned->shape.count(), scratch(PooledBackward::kDense));
}

TEST(FusedBlock, IsTheFirstOneOfTheNetworksOnTheWave) {
  for (const int seconds : {1, 2, 3})
    for (const bool audio : {true, false}) {
      const NetworkTable table = audio ? audio_table(seconds) : spec_table(seconds);
      Shape x = table.input;
      x.n = 32;
      for (size_t i = 0; i < table.blocks.size(); ++i) {
        BlockShape block{{}, i > 0 ? Gradients::kWeightAndInput : Gradients::kWeight};
        const BlockRow& row = table.blocks[i];
        for (const auto& conv : row.convolutions) {
          block.convolutions.push_back(
              {x.n, x.h, x.w, x.c, conv.channels, conv.kernel_h, conv.kernel_w, 1, 1});
          x = block.convolutions.back().y();
        }
        block.convolutions.back().pool_h = row.pool_h;
        block.convolutions.back().pool_w = row.pool_w;
        x = block.convolutions.back().y();
        const auto shape = wave_block(block);
        ASSERT_EQ(shape.has_value(), audio && i == 0) << seconds << " s, block " << i + 1;
        if (!shape) continue;
        EXPECT_EQ(shape->n, 32);
        EXPECT_EQ(shape->w, window_samples(seconds));
        EXPECT_EQ(shape->c_mid, 32);
        EXPECT_EQ(shape->c_out, 32);
        EXPECT_EQ(shape->pool, seconds == 1 ? 8 : 16);
        block.gradients = Gradients::kWeightAndInput;
        EXPECT_FALSE(wave_block(block));
      }
    }
}

}  // namespace
}  // namespace earshot
