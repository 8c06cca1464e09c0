#include "tests/kernels/loss_body.h"

namespace earshot {
namespace {

constexpr LossCalls kLossCpu{softmax_loss, log_softmax};

class SoftmaxLossKernel : public testing::TestWithParam<LossCase> {
 protected:
  LossBody body{GetParam(), kLossCpu};
};

TEST_P(SoftmaxLossKernel, MatchesWithGradient) { body.matches_with_gradient(); }
TEST_P(SoftmaxLossKernel, LogSoftmaxMatchesAlsoInPlace) {
  body.log_softmax_matches_also_in_place();
}

INSTANTIATE_TEST_SUITE_P(OddSizes, SoftmaxLossKernel,
                         testing::Values(LossCase{{1, 2}, 3}, LossCase{{1, 41}, 5},
                                         LossCase{{3, 17}, 1}, LossCase{{33, 41}, 10},
                                         LossCase{{5, 3}, 500}, LossCase{{2, 1000}, 80}));

TEST(SoftmaxLoss, SumsToZeroAndIsFiniteForExtremeLogits) { LossBody::extreme_logits(kLossCpu); }

}  // namespace
}  // namespace earshot
