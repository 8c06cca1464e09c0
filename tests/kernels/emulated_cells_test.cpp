#include "tests/emulator/emulator.h"
#include "tests/kernels/cells_body.h"
#include "tests/kernels/stored.h"

namespace earshot {
namespace {

using namespace cells_body;

class EmulatedCells : public testing::TestWithParam<CellsCase> {};

template <typename T>
void are_copied_or_pooled(const CellsCase& t) {
  const auto from = representable<T>(random_values(kFrom * t.c, 1));
  const auto to = representable<T>(random_values(kTo * t.c, 2));
  const emulator::Input<CellRun> on_runs("runs", t.runs);
  const emulator::Input<T> on_from("from", stored<T>(from));
  emulator::InOut<T> on_to("to", stored<T>(to));
  cuda::copy_cells({on_runs.data(), static_cast<int64_t>(t.runs.size()), t.pool}, t.c,
                   on_from.data(), on_to.data(), nullptr);
  EXPECT_EQ(loaded(on_to.values()), defined(t, from, to));
}
TEST_P(EmulatedCells, AreCopiedOrPooledAndTheOthersStay) {
  are_copied_or_pooled<float>(GetParam());
}
TEST_P(EmulatedCells, AreCopiedOrPooledInBf16) { are_copied_or_pooled<Bf16>(GetParam()); }

INSTANTIATE_TEST_SUITE_P(Cases, EmulatedCells, testing::ValuesIn(cases()));

TEST(EmulatedCells, NothingToDoIsNoLaunch) {
  cuda::copy_cells<float>({nullptr, 0, 1}, 4, nullptr, nullptr, nullptr);
}

}  // namespace
}  // namespace earshot
