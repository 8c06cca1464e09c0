#include "models/metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"

namespace earshot {
namespace {

// Of the values seen so far, whose mean and standard error are wanted (Welford's update).
class Tally {
 public:
  void add(double precision, bool right) {
    ++clips_;
    const double step = precision - mean_;
    mean_ += step / static_cast<double>(clips_);
    squares_ += step * (precision - mean_);
    right_ += right;
  }

  Score score() const {
    Score score;
    score.clips = clips_;
    if (clips_ == 0) return score;
    const double n = static_cast<double>(clips_);
    score.map3 = mean_;
    score.accuracy = static_cast<double>(right_) / n;
    if (clips_ > 1) score.interval = 1.96 * std::sqrt(squares_ / (n - 1) / n);
    return score;
  }

 private:
  int64_t clips_ = 0;
  int64_t right_ = 0;
  double mean_ = 0;
  double squares_ = 0;  // sum of squared distances from the mean
};

bool is_scored(const Prediction& prediction) {
  return prediction.label >= 0 && prediction.usage != Usage::kIgnored;
}

void check(const Prediction& prediction, size_t classes) {
  if (prediction.probabilities.size() != classes) {
    fail("{} has {} probabilities, but there are {} classes; predict it again with this model",
         prediction.name, prediction.probabilities.size(), classes);
  }
  if (prediction.label >= static_cast<int>(classes)) {
    fail("{} has label {}, but there are {} classes; predict it again with this data",
         prediction.name, prediction.label, classes);
  }
}

}  // namespace

std::vector<int> top(const std::vector<float>& probabilities, int count) {
  std::vector<int> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  const size_t kept = std::min(order.size(), static_cast<size_t>(std::max(count, 0)));
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](int a, int b) {
    const float left = probabilities[a], right = probabilities[b];
    if (std::isnan(left) || std::isnan(right)) {
      return std::isnan(left) == std::isnan(right) ? a < b : std::isnan(right);
    }
    return left != right ? left > right : a < b;
  });
  order.resize(kept);
  return order;
}

double average_precision_at_3(const std::vector<float>& probabilities, int label) {
  const std::vector<int> best = top(probabilities, 3);
  const auto found = std::find(best.begin(), best.end(), label);
  if (found == best.end() || std::isnan(probabilities[label])) return 0;
  return 1.0 / static_cast<double>(1 + (found - best.begin()));
}

Scores score(const std::vector<Prediction>& predictions, const std::vector<std::string>& classes) {
  Tally total, public_part, private_part;
  std::vector<Tally> per_class(classes.size());
  Scores scores;
  scores.confusion.assign(classes.size(), std::vector<int64_t>(classes.size(), 0));
  for (const Prediction& prediction : predictions) {
    check(prediction, classes.size());
    if (!is_scored(prediction)) continue;
    const double precision = average_precision_at_3(prediction.probabilities, prediction.label);
    const int predicted = top(prediction.probabilities, 1).front();
    const bool right = precision == 1.0;
    total.add(precision, right);
    per_class[prediction.label].add(precision, right);
    if (prediction.usage == Usage::kPublic) public_part.add(precision, right);
    if (prediction.usage == Usage::kPrivate) private_part.add(precision, right);
    if (!std::isnan(prediction.probabilities[predicted])) {
      ++scores.confusion[prediction.label][predicted];
    }
  }
  scores.total = total.score();
  scores.public_part = public_part.score();
  scores.private_part = private_part.score();
  for (size_t i = 0; i < classes.size(); ++i) {
    scores.per_class.push_back({classes[i], per_class[i].score()});
  }
  return scores;
}

}  // namespace earshot
