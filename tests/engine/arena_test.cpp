#include "engine/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/layer.h"
#include "kernels/philox.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

bool share_memory(const ArenaPlan::Entry& a, const ArenaPlan::Entry& b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

void expect_sound(const ArenaPlan& plan) {
  const auto& entries = plan.entries();
  int64_t end = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    ASSERT_GE(entries[i].offset, 0);
    EXPECT_EQ(entries[i].offset % ArenaPlan::kAlignment, 0);
    EXPECT_GE(entries[i].bytes, entries[i].shape.count() * bytes_of(entries[i].type));
    end = std::max(end, entries[i].offset + entries[i].bytes);
    for (size_t j = 0; j < i; ++j)
      EXPECT_FALSE(share_memory(entries[i], entries[j]) &&
                   entries[i].lifetime.overlaps(entries[j].lifetime))
          << entries[i].name << " and " << entries[j].name;
  }
  EXPECT_EQ(plan.bytes(), end);
  EXPECT_LE(plan.bytes(), plan.unshared_bytes());
}

/// No plan can be smaller than what lives at one tick.
int64_t largest_tick(const ArenaPlan& plan, int ticks) {
  int64_t largest = 0;
  for (int tick = 0; tick < ticks; ++tick) {
    int64_t alive = 0;
    for (const auto& entry : plan.entries())
      if (entry.lifetime.born <= tick && tick <= entry.lifetime.dies) alive += entry.bytes;
    largest = std::max(largest, alive);
  }
  return largest;
}

TEST(Arena, RandomPlansNeverOverlapInTimeAndMemory) {
  constexpr int kTicks = 30;
  double overhead = 0;
  for (uint32_t seed = 0; seed < 40; ++seed) {
    Random random(seed, Purpose::kShuffle, 0, 0);
    ArenaPlan plan;
    for (int i = 0; i < 60; ++i) {
      const int born = static_cast<int>(random.below(kTicks));
      const int dies = born + static_cast<int>(random.below(static_cast<uint64_t>(kTicks - born)));
      const auto count = static_cast<int64_t>(random.below(i % 3 == 0 ? 100000 : 300));
      plan.add(fmt::format("t{}", i), {1, 1, 1, count}, i % 2 == 0 ? DType::kF32 : DType::kU8,
               {born, dies});
    }
    plan.lay_out();
    expect_sound(plan);
    const int64_t bound = largest_tick(plan, kTicks);
    EXPECT_GE(plan.bytes(), bound);
    overhead = std::max(overhead, double(plan.bytes()) / double(bound));
  }
  EXPECT_LE(overhead, 1.5) << "the layout wastes memory";
}

// What training looks like: outputs live until their backward, gradients for one layer.
TEST(Arena, TrainingPlansAreSoundAndShare) {
  ArenaPlan plan;
  Planner planner(plan, {3, 8});
  planner.training = true;
  for (int layer = 0; layer < 12; ++layer) {
    planner.advance();
    const Shape shape{8, 1, 100, 1 + 7 * (layer % 5)};
    planner.output(fmt::format("y{}", layer), shape);
    planner.forward_scratch(fmt::format("scratch{}", layer), 5000 * (layer % 3));
    planner.backward_scratch(fmt::format("dscratch{}", layer), shape);
    planner.input_gradient(fmt::format("dx{}", layer), shape);
  }
  plan.lay_out();
  expect_sound(plan);
  EXPECT_LT(plan.bytes(), plan.unshared_bytes());
  EXPECT_GE(plan.bytes(), largest_tick(plan, 2001));
}

TEST(Arena, TensorsThatNeverMeetShareTheirBytes) {
  ArenaPlan plan;
  const int a = plan.add("a", {1, 1, 1, 1024}, DType::kF32, {0, 1});
  const int b = plan.add("b", {1, 1, 1, 1024}, DType::kF32, {1, 2});
  const int c = plan.add("c", {1, 1, 1, 1024}, DType::kF32, {2, 3});
  plan.lay_out();
  EXPECT_EQ(plan.bytes(), 2 * 4096);
  std::vector<char> memory(static_cast<size_t>(plan.bytes()));
  EXPECT_EQ(plan.at(a, memory.data()).data, plan.at(c, memory.data()).data);
  EXPECT_NE(plan.at(a, memory.data()).data, plan.at(b, memory.data()).data);
}

TEST(Arena, TensorsCarryPlaceShapeTypeAndName) {
  ArenaPlan plan;
  plan.add("first", {1, 1, 1, 10}, DType::kF32, {0, 5});
  const int id = plan.add("cells", {2, 3, 4, 5}, DType::kU8, {0, 5});
  plan.lay_out();
  char memory[1024];
  const Tensor t = plan.at(id, memory);
  EXPECT_EQ(static_cast<char*>(t.data) - memory, plan.entries()[1].offset);
  EXPECT_EQ(t.shape, (Shape{2, 3, 4, 5}));
  EXPECT_EQ(t.type, DType::kU8);
  EXPECT_STREQ(t.name, "cells");
}

TEST(Arena, AskingBeforeTheLayoutIsAnError) {
  ArenaPlan plan;
  const int id = plan.add("early", {1, 1, 1, 10}, DType::kF32, {0, 5});
  EXPECT_TRUE(contains(error_of([&] { plan.at(id, nullptr); }), "early"));
}

TEST(Arena, TableNamesEveryTensorAndTheSum) {
  ArenaPlan plan;
  plan.add("block1.conv1.y", {32, 1, 44100, 32}, DType::kF32, {3, 1997});
  plan.add("block1.conv1.argmax", {32, 1, 5512, 32}, DType::kU8, {3, 1997});
  plan.lay_out();
  const std::string table = plan.table();
  for (const char* part :
       {"block1.conv1.y", "[32, 1, 44100, 32]", "f32", "180633600", "block1.conv1.argmax",
        "[32, 1, 5512, 32]", "u8", "3..1997", "arena 186.3 MB (186.3 MB without sharing)"})
    EXPECT_TRUE(contains(table, part)) << part << " is not in\n" << table;
}

TEST(Planner, SortsBatchesAndRefusesNone) {
  ArenaPlan plan;
  const Planner planner(plan, {32, 8, 32, 1});
  EXPECT_EQ(planner.batches(), (std::vector<int64_t>{1, 8, 32}));
  EXPECT_EQ(planner.max_batch(), 32);
  EXPECT_NE(error_of([&] { Planner(plan, {}); }), "no error");
  EXPECT_NE(error_of([&] { Planner(plan, {4, 0}); }), "no error");
}

}  // namespace
}  // namespace earshot
