#include "models/step_inputs.h"

#include <algorithm>
#include <cstring>

#include "data/draw.h"

namespace earshot {

StepInputs::StepInputs(int64_t examples, int64_t clips, int64_t classes)
    : examples_(examples), clips_(clips), classes_(classes) {
  int64_t end = 0;
  const auto place = [&end](int64_t count, size_t size) {
    constexpr int64_t kAlignment = 64;
    const int64_t offset = end;
    end += (count * static_cast<int64_t>(size) + kAlignment - 1) / kAlignment * kAlignment;
    return offset;
  };
  place(1, sizeof(StepScalars));
  first_placement_ = place(examples + 1, sizeof(int32_t));
  placements_ = place(examples * clips, sizeof(Placement));
  class_weights_ = place(classes, sizeof(float));
  targets_ = place(examples * classes, sizeof(float));
  // Last, because only those in use are copied.
  positions_ = place(examples * clips * kMaxCopies, sizeof(int64_t));
  bytes_ = end;
}

template <typename T>
void StepInputs::pack(int64_t offset, std::span<const T> values) {
  const size_t end = static_cast<size_t>(offset) + values.size_bytes();
  if (packed_.size() < end) packed_.resize(end);
  if (!values.empty()) std::memcpy(packed_.data() + offset, values.data(), values.size_bytes());
}

void StepInputs::upload(Backend& backend, const PassData& data) {
  const GatherPlanView& plan = data.plan;
  const auto n = static_cast<size_t>(plan.examples);
  const auto placements = static_cast<size_t>(plan.first_placement[n]);
  size_t positions = 0;
  for (size_t k = 0; k < placements; ++k) {
    const Placement& p = plan.placements[k];
    positions = std::max(positions, static_cast<size_t>(p.first_copy + p.copies));
  }
  const auto fits = [](size_t count, int64_t room) { return count <= static_cast<size_t>(room); };
  if (!fits(n, examples_) || !fits(placements, examples_ * clips_) ||
      !fits(positions, examples_ * clips_ * kMaxCopies) ||
      !fits(data.targets.size(), examples_ * classes_) ||
      !fits(data.class_weights.size(), classes_))
    fail("a batch of {} examples, {} clips and {} copies was planned for at most {}, {} and {}", n,
         placements, positions, examples_, examples_ * clips_, examples_ * clips_ * kMaxCopies);
  packed_.clear();
  pack(0, std::span(&data.scalars, 1));
  pack(first_placement_, std::span(plan.first_placement, n + 1));
  pack(placements_, std::span(plan.placements, placements));
  pack(class_weights_, data.class_weights);
  pack(targets_, data.targets);
  pack(positions_, std::span(plan.positions, positions));
  const auto used = static_cast<int64_t>(packed_.size());
  backend.copy_to_device({block_, {1, 1, 1, used}, DType::kU8, "step inputs"}, packed_.data());
}

GatherPlanView StepInputs::plan(int64_t n) const {
  return {at<const Placement>(placements_), at<const int32_t>(first_placement_),
          at<const int64_t>(positions_), n};
}

Tensor StepInputs::targets() const {
  return {at<void>(targets_), {examples_, 1, 1, classes_}, DType::kF32, "targets"};
}

Tensor StepInputs::class_weights() const {
  return {at<void>(class_weights_), {1, 1, 1, classes_}, DType::kF32, "class weights"};
}

}  // namespace earshot
