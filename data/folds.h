// Stratified folds of the training clips (paper 2.5): each clip is in the validation part of one
// fold, and every class is spread over the folds as evenly as it divides.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/store.h"

namespace earshot {

struct FoldRequest {
  int count = 5;
  uint64_t seed = 0;
  bool by_group = false;  // clips of one Clip::group stay together
};

/// Fold of each clip, -1 for clips that are not in training. `use[i]` says which clips are.
/// Throws Error for fewer than 2 classes among them or fewer clips than folds.
std::vector<int> stratified_folds(const StoreIndex& index, const std::vector<bool>& use,
                                  const FoldRequest& request);

}  // namespace earshot
