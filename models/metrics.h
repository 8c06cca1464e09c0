// Scores of a set of tagged clips (paper 3.2).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/store.h"

namespace earshot {

/// One clip with the combined prediction for it.
struct Prediction {
  std::string name;
  int label = -1;  // -1: unknown, never scored
  Usage usage = Usage::kNone;
  std::vector<float> probabilities;  // [classes], sums to 1
};

/// Indices of the `count` largest probabilities, largest first, ties by class index. NaN is last.
std::vector<int> top(const std::vector<float>& probabilities, int count);

/// 1, 1/2, 1/3 or 0 for the label at rank 1, 2, 3 or lower; 0 where its probability is NaN.
double average_precision_at_3(const std::vector<float>& probabilities, int label);

struct Score {
  double map3 = 0;      // mean over clips
  double interval = 0;  // half width of the 95 % interval: 1.96 standard errors of that mean;
                        // 0 below two clips
  double accuracy = 0;
  int64_t clips = 0;
};

struct ClassScore {
  std::string label;
  Score score;
};

struct Scores {
  Score total, public_part, private_part;  // parts have clips = 0 where the data has no such usage
  std::vector<ClassScore> per_class;       // in class order, with clips = 0 where none was scored
  std::vector<std::vector<int64_t>> confusion;  // [label][predicted]
};

/// Clips without a label or with Usage::kIgnored are left out; the total is over the others. A clip
/// whose probabilities are all NaN counts as wrong and stands in no column of the confusion.
/// Throws Error where a label or the number of probabilities does not fit `classes`.
Scores score(const std::vector<Prediction>& predictions, const std::vector<std::string>& classes);

}  // namespace earshot
