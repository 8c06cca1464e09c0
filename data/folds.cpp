#include "data/folds.h"

#include <algorithm>
#include <map>
#include <set>

#include "engine/error.h"
#include "kernels/philox.h"

namespace earshot {
namespace {

template <typename T>
void shuffle(std::vector<T>& items, Random& random) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

/// Deals the groups of one class, largest first, each to the fold that has the fewest of them.
void deal_groups(const std::vector<size_t>& clips, const StoreIndex& index, Random& random,
                 std::map<std::string, int>& fold_of_group, std::vector<int64_t>& filled,
                 std::vector<int>& fold) {
  std::map<std::string, std::vector<size_t>> groups;
  for (const size_t i : clips) groups[index.clips[i].group].push_back(i);
  std::vector<std::pair<std::string, std::vector<size_t>>> order(groups.begin(), groups.end());
  shuffle(order, random);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::vector<int64_t> here(filled.size(), 0);
  for (const auto& [group, members] : order) {
    const auto known = fold_of_group.find(group);
    size_t target = 0;
    if (known != fold_of_group.end()) {
      target = static_cast<size_t>(known->second);
    } else {
      for (size_t f = 1; f < here.size(); ++f)
        if (std::pair(here[f], filled[f]) < std::pair(here[target], filled[target])) target = f;
      fold_of_group[group] = static_cast<int>(target);
    }
    here[target] += static_cast<int64_t>(members.size());
    filled[target] += static_cast<int64_t>(members.size());
    for (const size_t i : members) fold[i] = static_cast<int>(target);
  }
}

}  // namespace

std::vector<int> stratified_folds(const StoreIndex& index, const std::vector<bool>& use,
                                  const FoldRequest& request) {
  std::map<int, std::vector<size_t>> by_class;
  size_t total = 0;
  for (size_t i = 0; i < index.clips.size(); ++i) {
    if (!use[i]) continue;
    by_class[index.clips[i].label].push_back(i);
    ++total;
  }
  if (by_class.size() < 2)
    fail("the training clips have {} class{}; a tagger needs at least two", by_class.size(),
         by_class.size() == 1 ? "" : "es");
  if (total < static_cast<size_t>(request.count))
    fail("{} training clips cannot be split into {} folds; use fewer folds or more clips", total,
         request.count);

  std::vector<int> fold(index.clips.size(), -1);
  std::vector<int64_t> filled(static_cast<size_t>(request.count), 0);
  std::map<std::string, int> fold_of_group;
  size_t next = 0;  // the first fold of a class follows the last one of the class before
  for (auto& [label, clips] : by_class) {
    Random random(request.seed, Purpose::kFolds, static_cast<uint32_t>(label), 0);
    shuffle(clips, random);
    if (request.by_group) {
      deal_groups(clips, index, random, fold_of_group, filled, fold);
      continue;
    }
    for (const size_t i : clips)
      fold[i] = static_cast<int>(next++ % static_cast<size_t>(request.count));
  }
  return fold;
}

}  // namespace earshot
