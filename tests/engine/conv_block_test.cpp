// The form that a block takes on the CPU.
#include "engine/conv_block.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "tests/engine/backend_fixture.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// Block 1 of a network on the spectrogram: y, and the names of what it keeps in the arena.
std::pair<std::vector<float>, std::string> spectrogram_block(bool training) {
  const auto backend = make_cpu_backend(2);
  const Shape input{3, 31, 33, 1};
  ArenaPlan arena;
  Parameters parameters;
  ConvBlock block(*backend, parameters, "block", {{{4, 4, 32}, {4, 4, 32}}, 2, 2}, 1);
  Planner planner(arena, {3});
  planner.training = training;
  planner.advance();
  const Shape output = block.plan(planner, input);
  arena.lay_out();
  parameters.allocate(*backend, training);
  Parameters::Snapshot start = parameters.snapshot();
  start.values = random_values(static_cast<int64_t>(start.values.size()), 1);
  parameters.restore(start);
  const DeviceMemory memory = backend->allocate(arena.bytes(), "arena");
  block.bind({arena, memory.data()});
  const GuardedTensor x(*backend, input, "x", random_values(input.count(), 2));
  std::pair<std::vector<float>, std::string> result;
  result.first.resize(static_cast<size_t>(output.count()));
  backend->copy_to_host(result.first.data(), block.forward(*x, {}));
  for (const auto& entry : arena.entries()) result.second += entry.name + " ";
  return result;
}

TEST(ConvBlock, IsFusedOnTheSpectrogramWhereNoGradientFollows) {
  const auto [y, names] = spectrogram_block(/*training=*/false);
  EXPECT_EQ(names, "block.conv2.y block.scratch ");
  EXPECT_TRUE(contains(spectrogram_block(/*training=*/true).second, "block.conv1.y"));
  setenv("EARSHOT_BLOCKS", "composed", 1);
  const auto [composed, more] = spectrogram_block(/*training=*/false);
  unsetenv("EARSHOT_BLOCKS");
  EXPECT_TRUE(contains(more, "block.conv1.y")) << more;
  EXPECT_EQ(y, composed);
}

}  // namespace
}  // namespace earshot
