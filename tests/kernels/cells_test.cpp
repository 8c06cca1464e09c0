#include "tests/kernels/cells_body.h"

namespace earshot {
namespace {

using namespace cells_body;

class Cells : public testing::TestWithParam<CellsCase> {};

TEST_P(Cells, AreCopiedOrPooledAndTheOthersStay) {
  const CellsCase& t = GetParam();
  const std::vector<float> from = random_values(kFrom * t.c, 1);
  std::vector<float> to = random_values(kTo * t.c, 2);
  const std::vector<float> expected = defined(t, from, to);
  copy_cells({t.runs.data(), static_cast<int64_t>(t.runs.size()), t.pool}, t.c, from.data(),
             to.data());
  EXPECT_EQ(to, expected);
}

INSTANTIATE_TEST_SUITE_P(Cases, Cells, testing::ValuesIn(cases()));

}  // namespace
}  // namespace earshot
