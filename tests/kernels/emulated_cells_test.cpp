#include "tests/emulator/emulator.h"
#include "tests/kernels/cells_body.h"

namespace earshot {
namespace {

using namespace cells_body;

class EmulatedCells : public testing::TestWithParam<CellsCase> {};

TEST_P(EmulatedCells, AreCopiedOrPooledAndTheOthersStay) {
  const CellsCase& t = GetParam();
  const std::vector<float> from = random_values(kFrom * t.c, 1), to = random_values(kTo * t.c, 2);
  const emulator::Input<CellRun> on_runs("runs", t.runs);
  const emulator::Input<float> on_from("from", from);
  emulator::InOut<float> on_to("to", to);
  cuda::copy_cells({on_runs.data(), static_cast<int64_t>(t.runs.size()), t.pool}, t.c,
                   on_from.data(), on_to.data(), nullptr);
  EXPECT_EQ(on_to.values(), defined(t, from, to));
}

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedCells, testing::ValuesIn(cases()));

TEST(EmulatedCells, NothingToDoIsNoLaunch) {
  cuda::copy_cells({nullptr, 0, 1}, 4, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace earshot
