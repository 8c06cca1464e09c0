#include "tests/kernels/batch_norm_body.h"

namespace earshot {
namespace {

constexpr BatchNormCalls kNormCpu{batch_norm_train, batch_norm_inference, batch_norm_backward};

class BatchNormKernel : public testing::TestWithParam<BatchNormShape> {
 protected:
  BatchNormBody body{GetParam(), kNormCpu};
};

TEST_P(BatchNormKernel, TrainMatches) { body.train_matches(); }
TEST_P(BatchNormKernel, MomentsOfPositiveValuesKeepTheirDigits) {
  body.moments_of_positive_values_keep_their_digits();
}
TEST_P(BatchNormKernel, TrainInPlaceAndWithoutMovingAverages) {
  body.train_in_place_and_without_moving_averages();
}
TEST_P(BatchNormKernel, InferenceMatches) { body.inference_matches(); }
TEST_P(BatchNormKernel, BackwardMatches) { body.backward_matches(); }

INSTANTIATE_TEST_SUITE_P(OddSizes, BatchNormKernel,
                         testing::Values(BatchNormShape{1, 1}, BatchNormShape{1, 17},
                                         BatchNormShape{2, 3}, BatchNormShape{33, 1},
                                         BatchNormShape{37, 17}, BatchNormShape{1000, 64},
                                         BatchNormShape{20001, 3}, BatchNormShape{331, 100},
                                         BatchNormShape{16385, 1}, BatchNormShape{3, 20000}));

}  // namespace
}  // namespace earshot
