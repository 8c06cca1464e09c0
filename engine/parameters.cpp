#include "engine/parameters.h"

#include <cmath>
#include <cstring>

#include "kernels/philox.h"

namespace earshot {
namespace {

constexpr int64_t kAlignment = 16;  // floats: every tensor starts on a 64-byte boundary

int64_t aligned(int64_t floats) { return (floats + kAlignment - 1) / kAlignment * kAlignment; }

std::vector<float> to_host(Backend& backend, const Tensor& t) {
  std::vector<float> host(static_cast<size_t>(t.shape.count()));
  if (!host.empty()) backend.copy_to_host(host.data(), t);
  return host;
}

/// Shape as files show it: without leading ones of vectors.
std::vector<int64_t> file_shape(const Shape& s) {
  if (s.n == 1 && s.h == 1 && s.w == 1) return {s.c};
  if (s.h == 1 && s.w == 1) return {s.n, s.c};
  return {s.n, s.h, s.w, s.c};
}

}  // namespace

int Parameters::declare(const std::string& name, const Shape& shape, Kind kind,
                        InitialValue initial) {
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].name != name) continue;
    if (entries_[i].shape != shape || entries_[i].kind != kind)
      fail("parameter {} was declared as {} and again as {}", name, to_string(entries_[i].shape),
           to_string(shape));
    return static_cast<int>(i);
  }
  if (backend_) fail("parameter {} was declared after the memory was allocated", name);
  int64_t& floats = kind == Kind::kTrainable ? trainable_floats_ : statistic_floats_;
  entries_.push_back({name, shape, kind, initial, floats});
  floats += aligned(shape.count());
  return static_cast<int>(entries_.size()) - 1;
}

void Parameters::allocate(Backend& backend, bool trained) {
  backend_ = &backend;
  const DType factors = backend.activation_type();
  const int64_t factor_bytes = factors == DType::kF32 ? 0 : trainable_floats_ * bytes_of(factors);
  const int64_t all = trained ? 4 * trainable_floats_ + 2 * statistic_floats_
                              : trainable_floats_ + statistic_floats_;
  memory_ = backend.allocate(all * 4 + factor_bytes, "parameters");
  float* at = static_cast<float*>(memory_.data());
  const auto take = [&](int64_t floats, const char* name) {
    const Tensor t{at, {1, 1, 1, floats}, DType::kF32, name};
    at += floats;
    backend.zero(t);
    return t;
  };
  values_ = take(trainable_floats_, "parameters");
  statistics_ = take(statistic_floats_, "statistics");
  if (trained) {
    gradients_ = take(trainable_floats_, "gradients");
    m_ = take(trainable_floats_, "adam.m");
    v_ = take(trainable_floats_, "adam.v");
    saved_statistics_ = take(statistic_floats_, "saved statistics");
  }
  if (factor_bytes > 0) factors_ = {at, {1, 1, 1, trainable_floats_}, factors, "factors"};
}

void Parameters::initialise(uint64_t seed) {
  Snapshot s = snapshot();
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& e = entries_[i];
    float* to = (e.kind == Kind::kTrainable ? s.values : s.statistics).data() + e.offset;
    const double fans = e.initial.fan_in + e.initial.fan_out;
    const double limit = fans > 0 ? std::sqrt(6.0 / fans) : 0.0;
    Random random(seed, Purpose::kInitialWeights, static_cast<uint32_t>(i), 0);
    for (int64_t k = 0; k < e.shape.count(); ++k)
      to[k] =
          fans > 0 ? static_cast<float>((2 * random.uniform() - 1) * limit) : e.initial.constant;
  }
  restore(s);
}

Tensor Parameters::value(int id) const {
  const Entry& e = entries_.at(static_cast<size_t>(id));
  const Tensor& buffer = e.kind == Kind::kTrainable ? values_ : statistics_;
  return {buffer.f32() + e.offset, e.shape, DType::kF32, e.name.c_str()};
}

Tensor Parameters::factor(int id) const {
  const Entry& e = entries_.at(static_cast<size_t>(id));
  if (!factors_.data || e.kind != Kind::kTrainable) return value(id);
  char* const base = static_cast<char*>(factors_.data);
  return {base + e.offset * bytes_of(factors_.type), e.shape, factors_.type, e.name.c_str()};
}

void Parameters::refresh_factors() {
  if (factors_.data) backend_->convert(values_, factors_);
}

Tensor Parameters::gradient(int id) const {
  const Entry& e = entries_.at(static_cast<size_t>(id));
  if (e.kind != Kind::kTrainable || !gradients_.data)
    fail("parameter {} has no gradient: it is not trained here", e.name);
  return {gradients_.f32() + e.offset, e.shape, DType::kF32, e.name.c_str()};
}

int64_t Parameters::trainable_count() const {
  int64_t count = 0;
  for (const Entry& e : entries_)
    if (e.kind == Kind::kTrainable) count += e.shape.count();
  return count;
}

int64_t Parameters::bytes() const { return memory_.bytes(); }

Parameters::Snapshot Parameters::snapshot() const {
  return {to_host(*backend_, values_), to_host(*backend_, statistics_),
          m_.data ? to_host(*backend_, m_) : std::vector<float>{},
          v_.data ? to_host(*backend_, v_) : std::vector<float>{}};
}

void Parameters::restore(const Snapshot& s) {
  if (!s.values.empty()) backend_->copy_to_device(values_, s.values.data());
  if (!s.statistics.empty()) backend_->copy_to_device(statistics_, s.statistics.data());
  if (m_.data && !s.m.empty()) backend_->copy_to_device(m_, s.m.data());
  if (v_.data && !s.v.empty()) backend_->copy_to_device(v_, s.v.data());
  refresh_factors();
}

std::vector<SafetensorsEntry> Parameters::tensors(const Snapshot& s,
                                                  const std::string& prefix) const {
  std::vector<SafetensorsEntry> out;
  for (const Entry& e : entries_) {
    const auto& buffer = e.kind == Kind::kTrainable ? s.values : s.statistics;
    const std::span<const float> part(buffer.data() + e.offset,
                                      static_cast<size_t>(e.shape.count()));
    out.push_back(
        {prefix + e.name, SafetensorsType::kF32, file_shape(e.shape), std::as_bytes(part)});
  }
  return out;
}

std::vector<SafetensorsEntry> Parameters::moments(const Snapshot& s) const {
  const std::vector<int64_t> shape{trainable_floats_};
  return {{"adam.m", SafetensorsType::kF32, shape, std::as_bytes(std::span(s.m))},
          {"adam.v", SafetensorsType::kF32, shape, std::as_bytes(std::span(s.v))}};
}

void Parameters::load(const SafetensorsFile& file, const std::string& prefix) {
  Snapshot s = snapshot();
  for (const Entry& e : entries_) {
    const SafetensorsEntry* found = file.find(prefix + e.name);
    if (!found) fail("{}: tensor {}{} is missing", file.path().string(), prefix, e.name);
    if (found->type != SafetensorsType::kF32 || found->shape != file_shape(e.shape))
      fail("{}: tensor {}{} has shape [{}], this network wants [{}]", file.path().string(), prefix,
           e.name, fmt::join(found->shape, ", "), fmt::join(file_shape(e.shape), ", "));
    auto& buffer = e.kind == Kind::kTrainable ? s.values : s.statistics;
    std::memcpy(buffer.data() + e.offset, found->bytes.data(), found->bytes.size());
  }
  restore(s);
}

void Parameters::load_moments(const SafetensorsFile& file) {
  Snapshot s = snapshot();
  for (auto& [name, buffer] : {std::pair{"adam.m", &s.m}, std::pair{"adam.v", &s.v}}) {
    const SafetensorsEntry* found = file.find(name);
    if (!found || found->bytes.size() != buffer->size() * sizeof(float))
      fail("{}: tensor {} is missing or of another size", file.path().string(), name);
    std::memcpy(buffer->data(), found->bytes.data(), found->bytes.size());
  }
  restore(s);
}

}  // namespace earshot
