// The emulator must pass a sound kernel under any schedule and catch every planted fault under
// every one.
#include "tests/emulator/emulator.h"

#include <gtest/gtest.h>

#include "kernels/launch.h"
#include "tests/emulator/planted.h"

namespace planted {
namespace {

constexpr int64_t kCount = 256;
constexpr uint64_t kSchedules = 20;

struct Buffers {
  static std::vector<float> ramp() {
    std::vector<float> values(kCount);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    return values;
  }
  emulator::Input<float> x{"x", ramp()};
  emulator::Output<float> y{"y", kCount};
  emulator::InOut<int> maximum{"maximum", {-1}};
};

TEST(Emulator, ASoundKernelPassesAndIsRight) {
  for (uint64_t schedule = 0; schedule < kSchedules; ++schedule) {
    emulator::seed(schedule);
    Buffers b;
    block_sums(Fault::kNone, b.x.data(), b.y.data(), b.maximum.data());
    const std::vector<float> y = b.y.values();
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t first = i / 64 * 64;
      EXPECT_EQ(y[i], static_cast<float>(64 * first + 63 * 64 / 2)) << i;
    }
    EXPECT_EQ(b.maximum.values()[0], kCount - 1);
  }
}

struct Planted {
  Fault fault;
  const char* text;  // of the message
};

class EmulatorCatches : public testing::TestWithParam<Planted> {};

TEST_P(EmulatorCatches, UnderEverySchedule) {
  for (uint64_t schedule = 0; schedule < kSchedules; ++schedule) {
    emulator::seed(schedule);
    Buffers b;
    std::string caught = "nothing";
    try {
      block_sums(GetParam().fault, b.x.data(), b.y.data(), b.maximum.data());
      b.y.values();
    } catch (const emulator::Fault& fault) {
      caught = fault.what();
    }
    ASSERT_NE(caught.find(GetParam().text), std::string::npos) << caught;
    if (schedule == 0) std::printf("[  CAUGHT  ] %s\n", caught.c_str());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Planted, EmulatorCatches,
    testing::Values(Planted{Fault::kMissingBarrier, "shared memory"},
                    Planted{Fault::kEarlyOverwrite, "race"},
                    Planted{Fault::kMissingWarpBarrier, "shared memory"},
                    Planted{Fault::kStoreBehindTheEnd, "0 bytes after the end of y"},
                    Planted{Fault::kStoreBeforeTheStart, "4 bytes before y"},
                    Planted{Fault::kFarStore, "outside every buffer"},
                    Planted{Fault::kStoreToInput, "stores the input x"},
                    Planted{Fault::kCellNeverStored, "y [255] was never stored"},
                    Planted{Fault::kDivergentBarrier, "divergence"},
                    Planted{Fault::kBarrierAfterReturn, "divergence"},
                    Planted{Fault::kUndefinedShared, "which nobody has stored"},
                    Planted{Fault::kUndefinedOutput, "loads y [70], which nobody has stored"},
                    Planted{Fault::kTwoBlocksStore, "race"},
                    Planted{Fault::kMissingLane, "divergence"},
                    Planted{Fault::kMisaligned, "misaligned"},
                    Planted{Fault::kUnwaitedCopy, "which nobody has stored"}));

TEST(Emulator, ALaunchThatNoDeviceTakesThrows) {
  Buffers b;
  EXPECT_THROW(block_sums(Fault::kTooManyThreads, b.x.data(), b.y.data(), b.maximum.data()),
               earshot::LaunchError);
}

TEST(Emulator, AHostThatWritesIntoAGuardBandIsCaught) {
  Buffers b;
  b.maximum.data()[1] = 0;
  EXPECT_THROW(b.maximum.values(), emulator::Fault);
}

}  // namespace
}  // namespace planted
