#include "data/shards.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/scratch.h"

namespace earshot {
namespace {

TEST(Shards, CoverTheOrderOnceInWholeBatchesThatFit) {
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < 103; ++i) sizes.push_back(1 + i * 37 % 50);
  for (const int64_t batch : {1, 4, 8})
    for (const int64_t room : {400, 401, 1000, 100000}) {
      const std::vector<Shard> shards = cut_into_shards(sizes, batch, room);
      int64_t at = 0;
      for (size_t k = 0; k < shards.size(); ++k) {
        EXPECT_EQ(shards[k].first, at);
        at = shards[k].last;
        EXPECT_LT(shards[k].first, at);
        const auto bytes = [&](int64_t last) {
          return std::accumulate(sizes.begin() + shards[k].first, sizes.begin() + last, int64_t{0});
        };
        EXPECT_LE(bytes(at), room);
        if (k + 1 == shards.size()) continue;
        EXPECT_EQ(at % batch, 0);
        EXPECT_GT(bytes(std::min<int64_t>(at + batch, 103)), room);  // as long as it can be
      }
      EXPECT_EQ(at, 103);
    }
}

TEST(Shards, ABatchThatDoesNotFitIsRefused) {
  const std::vector<int64_t> sizes{10, 10, 30, 10};
  EXPECT_EQ(cut_into_shards(sizes, 2, 40).size(), 2u);
  const std::string error = error_of([&] { cut_into_shards(sizes, 2, 39); });
  EXPECT_TRUE(contains(error, "smaller batches")) << error;
}

}  // namespace
}  // namespace earshot
