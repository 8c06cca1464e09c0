#include "data/folds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernels/philox.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// Clips of classes with 1, 4, 7, ... members, in mixed order.
StoreIndex uneven(int classes) {
  StoreIndex index;
  for (int label = 0; label < classes; ++label)
    for (int i = 0; i < 1 + 3 * label; ++i) {
      Clip clip;
      clip.label = label;
      clip.name = fmt::format("{}-{}", label, i);
      index.clips.push_back(clip);
    }
  Random random(4, Purpose::kShuffle, 0, 0);
  for (size_t i = index.clips.size(); i > 1; --i)
    std::swap(index.clips[i - 1], index.clips[random.below(i)]);
  return index;
}

std::vector<bool> all_of(const StoreIndex& index) {
  return std::vector<bool>(index.clips.size(), true);
}

std::vector<int> folds(const StoreIndex& index, const FoldRequest& request) {
  return stratified_folds(index, all_of(index), request);
}

int spread(const std::vector<int>& counts) {
  return *std::max_element(counts.begin(), counts.end()) -
         *std::min_element(counts.begin(), counts.end());
}

TEST(Folds, EveryClassAndTheWholeAreSpreadEvenly) {
  const StoreIndex index = uneven(12);
  for (const int count : {2, 3, 5, 10}) {
    const std::vector<int> fold = folds(index, {count, 7, false});
    ASSERT_EQ(fold.size(), index.clips.size());
    std::map<int, std::vector<int>> by_class;
    std::vector<int> total(static_cast<size_t>(count));
    for (size_t i = 0; i < fold.size(); ++i) {
      ASSERT_GE(fold[i], 0);
      ASSERT_LT(fold[i], count);
      auto& counts = by_class[index.clips[i].label];
      counts.resize(static_cast<size_t>(count));
      ++counts[static_cast<size_t>(fold[i])];
      ++total[static_cast<size_t>(fold[i])];
    }
    for (const auto& [label, counts] : by_class) EXPECT_LE(spread(counts), 1) << "class " << label;
    EXPECT_LE(spread(total), 1);
  }
}

TEST(Folds, ClipsOutOfUseAreInNone) {
  const StoreIndex index = uneven(8);
  std::vector<bool> use = all_of(index);
  for (size_t i = 0; i < use.size(); i += 3) use[i] = false;
  const std::vector<int> fold = stratified_folds(index, use, {5, 7, false});
  for (size_t i = 0; i < use.size(); ++i) EXPECT_EQ(fold[i] == -1, !use[i]) << "clip " << i;
}

TEST(Folds, FollowTheSeedAlone) {
  const StoreIndex index = uneven(12);
  EXPECT_EQ(folds(index, {5, 7, false}), folds(index, {5, 7, false}));
  EXPECT_NE(folds(index, {5, 7, false}), folds(index, {5, 8, false}));
}

// Over many seeds every clip sees a fold as often as the fold's share of its class (six standard
// deviations).
TEST(Folds, AreShuffled) {
  const StoreIndex index = uneven(3);
  constexpr int kSeeds = 4000, kFolds = 4;
  std::vector<std::vector<int>> seen(index.clips.size(), std::vector<int>(kFolds));
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const std::vector<int> fold = folds(index, {kFolds, seed, false});
    for (size_t i = 0; i < fold.size(); ++i) ++seen[i][static_cast<size_t>(fold[i])];
  }
  const std::vector<int> any = folds(index, {kFolds, 0, false});
  for (size_t i = 0; i < seen.size(); ++i)
    for (int f = 0; f < kFolds; ++f) {
      double members = 0, here = 0;
      for (size_t j = 0; j < any.size(); ++j) {
        if (index.clips[j].label != index.clips[i].label) continue;
        members += 1;
        here += any[j] == f ? 1 : 0;
      }
      const double share = here / members;
      EXPECT_LE(std::abs(seen[i][static_cast<size_t>(f)] - kSeeds * share),
                6 * std::sqrt(kSeeds * share * (1 - share)))
          << "clip " << i << " in fold " << f;
    }
}

TEST(Folds, ByGroupKeepsGroupsTogether) {
  StoreIndex index = uneven(10);
  Random random(6, Purpose::kShuffle, 0, 0);
  // Groups of several classes too.
  for (Clip& clip : index.clips) clip.group = fmt::format("g{}", random.below(40));
  const std::vector<int> fold = folds(index, {5, 7, true});
  std::map<std::string, std::set<int>> where;
  std::vector<int> total(5);
  for (size_t i = 0; i < fold.size(); ++i) {
    ASSERT_GE(fold[i], 0);
    ASSERT_LT(fold[i], 5);
    where[index.clips[i].group].insert(fold[i]);
    ++total[static_cast<size_t>(fold[i])];
  }
  for (const auto& [group, in] : where) EXPECT_EQ(in.size(), 1u) << group;
  EXPECT_GT(*std::min_element(total.begin(), total.end()), 0);
  EXPECT_EQ(folds(index, {5, 7, true}), fold);
}

TEST(Folds, ByGroupWithGroupsOfOneIsStillEven) {
  StoreIndex index = uneven(10);
  for (Clip& clip : index.clips) clip.group = clip.name;
  const std::vector<int> fold = folds(index, {5, 7, true});
  std::map<int, std::vector<int>> by_class;
  for (size_t i = 0; i < fold.size(); ++i) {
    auto& counts = by_class[index.clips[i].label];
    counts.resize(5);
    ++counts[static_cast<size_t>(fold[i])];
  }
  for (const auto& [label, counts] : by_class) EXPECT_LE(spread(counts), 1) << "class " << label;
}

TEST(Folds, TooFewClassesOrClipsAreErrors) {
  EXPECT_TRUE(contains(error_of([] { folds(uneven(1), {2, 7, false}); }), "1 class"));
  EXPECT_TRUE(contains(error_of([] { folds(StoreIndex{}, {2, 7, false}); }), "0 classes"));
  const std::string error = error_of([] { folds(uneven(2), {6, 7, false}); });  // 5 clips
  EXPECT_TRUE(contains(error, "5 training clips") && contains(error, "6 folds")) << error;
}

}  // namespace
}  // namespace earshot
