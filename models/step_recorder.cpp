#include "models/step_recorder.h"

#include <algorithm>

#include "engine/error.h"
#include "kernels/bf16.h"

namespace earshot {
namespace {

std::vector<float> floats_of(Backend& backend, const Tensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.shape.count()));
  if (tensor.type == DType::kBf16) {
    std::vector<Bf16> narrow(values.size());
    backend.copy_to_host(narrow.data(), tensor);
    convert(tensor.shape.count(), narrow.data(), values.data());
  } else {
    backend.copy_to_host(values.data(), tensor);
  }
  return values;
}

}  // namespace

void StepRecorder::keep(RecordedTensor::Kind kind, std::string what, const Tensor& tensor) {
  step_.tensors.push_back({kind, std::move(what), floats_of(tagger_.backend(), tensor)});
}

void StepRecorder::wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) {
  if (!tensor.data) return;
  if (tensor.type == DType::kU8) return on_winners(tensor);
  keep(phase == TracePhase::kForward ? RecordedTensor::Kind::kOutput
                                     : RecordedTensor::Kind::kGradient,
       fmt::format("{} of layer {}{}", tensor.name, part(), layer), tensor);
}

void StepRecorder::on_winners(const Tensor& tensor) {
  step_.pools.push_back({part() + tensor.name, winners_of(tensor)});
}

std::vector<uint8_t> StepRecorder::winners_of(const Tensor& tensor) const {
  std::vector<uint8_t> winners(static_cast<size_t>(tensor.shape.count()));
  tagger_.backend().copy_to_host(winners.data(), tensor);
  return winners;
}

RecordedStep StepRecorder::take(const Parameters::Snapshot& before) {
  const Parameters& parameters = tagger_.trainable();
  const auto& entries = parameters.entries();
  for (int i = static_cast<int>(entries.size()); i-- > 0;) {  // the last layer's come first
    const std::string& name = entries[i].name;
    if (entries[i].kind != Parameters::Kind::kTrainable) continue;
    keep(RecordedTensor::Kind::kGradient, "gradient of " + name, parameters.gradient(i));
    step_.tensors.back().layer = name.substr(0, name.rfind('.'));
  }
  for (int i = 0; i < static_cast<int>(entries.size()); ++i)
    if (entries[i].kind == Parameters::Kind::kStatistic)
      keep(RecordedTensor::Kind::kOutput, entries[i].name, parameters.value(i));
  keep(RecordedTensor::Kind::kUpdate, "update of all parameters", parameters.values());
  std::vector<float>& update = step_.tensors.back().values;
  for (size_t i = 0; i < update.size(); ++i) update[i] -= before.values[i];
  return std::exchange(step_, {});
}

void StepFollower::wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) {
  StepRecorder::wrote(layer, phase, tensor);
  if (!tensor.data || tensor.type == DType::kU8) return;
  const size_t i = tensors_++;
  if (i == followed_.tensors.size() ||
      std::ssize(followed_.tensors[i].values) != tensor.shape.count())
    fail("{}: the step that is followed has no such tensor", tensor.name);
  tagger_.backend().copy_to_device(tensor, followed_.tensors[i].values.data());
}

void StepFollower::on_winners(const Tensor& tensor) {
  std::vector<uint8_t> mine = winners_of(tensor);
  const size_t pool = others_.size();
  if (pool == followed_.pools.size() || followed_.pools[pool].winners.size() != mine.size())
    fail("{}: the step that is followed has no such pool", tensor.name);
  const std::vector<uint8_t>& theirs = followed_.pools[pool].winners;
  const uint8_t last = *std::max_element(mine.begin(), mine.end());  // no cell lies behind it
  others_.push_back(0);
  for (size_t i = 0; i < mine.size(); ++i) {
    if (mine[i] == theirs[i]) continue;
    ++others_.back();
    if (theirs[i] <= last) mine[i] = theirs[i];
  }
  tagger_.backend().copy_to_device(tensor, mine.data());
}

}  // namespace earshot
