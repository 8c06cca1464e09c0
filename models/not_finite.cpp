#include "models/not_finite.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace earshot {
namespace {

constexpr int64_t kPiece = int64_t{1} << 20;  // values on the host at a time

/// The first value of a tensor that is not finite, with its place.
struct Bad {
  int64_t index;
  double value;
};

std::optional<Bad> first_bad(std::span<const float> values) {
  const auto bad =
      std::find_if_not(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
  if (bad == values.end()) return {};
  return Bad{bad - values.begin(), static_cast<double>(*bad)};
}

/// The tensor's cells in float32, piece by piece.
std::optional<Bad> first_bad(Backend& backend, const Tensor& tensor) {
  const int64_t count = tensor.shape.count(), size = bytes_of(tensor.type);
  std::vector<float> values;
  std::vector<Bf16> narrow;
  for (int64_t first = 0; first < count; first += kPiece) {
    const int64_t n = std::min(kPiece, count - first);
    const Tensor piece{
        static_cast<char*>(tensor.data) + first * size, {1, 1, 1, n}, tensor.type, tensor.name};
    values.resize(static_cast<size_t>(n));
    if (tensor.type == DType::kBf16) {
      narrow.resize(static_cast<size_t>(n));
      backend.copy_to_host(narrow.data(), piece);
      convert(n, narrow.data(), values.data());
    } else {
      backend.copy_to_host(values.data(), piece);
    }
    if (const auto bad = first_bad(values)) return Bad{first + bad->index, bad->value};
  }
  return {};
}

const char* word(double value) { return std::isnan(value) ? "NaN" : "an infinity"; }

}  // namespace

std::string to_string(const NotFinite& found) {
  return fmt::format("{} in tensor {} of layer {}", word(found.value), found.tensor, found.layer);
}

std::optional<NotFinite> find_not_finite(const Tagger& tagger, const Tagger::Snapshots& snapshots) {
  std::vector<SafetensorsEntry> all = tagger.tensors(snapshots);
  for (SafetensorsEntry& moment : tagger.trainable().moments(snapshots.back()))
    all.push_back(std::move(moment));
  for (const SafetensorsEntry& entry : all) {
    const std::span values(reinterpret_cast<const float*>(entry.bytes.data()),
                           entry.bytes.size() / sizeof(float));
    if (const auto bad = first_bad(values))
      return NotFinite{entry.name.substr(0, entry.name.rfind('.')), entry.name, bad->value};
  }
  return {};
}

void NotFiniteFinder::wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) {
  if (found_ || tensor.type == DType::kU8) return;
  Backend& backend = tagger_.backend();
  backend.synchronize();
  if (phase == TracePhase::kBackward) look_at_gradients(layer);
  if (found_ || !tensor.data) return;
  const auto bad = first_bad(backend, tensor);
  if (!bad) return;
  found_ = {part() + layer, tensor.name, bad->value, bad->index / tensor.shape.features()};
  // Batch statistics and weights mix the examples of a gradient.
  if (phase == TracePhase::kBackward) found_->example = -1;
}

void NotFiniteFinder::look_at_gradients(const std::string& layer) {
  const Parameters& parameters = tagger_.trainable();
  for (size_t i = 0; i < parameters.entries().size(); ++i) {
    const Parameters::Entry& entry = parameters.entries()[i];
    if (entry.kind != Parameters::Kind::kTrainable || !entry.name.starts_with(layer + "."))
      continue;
    // "block1." would find "block1.norm." too, which was written before and was finite.
    const auto bad = first_bad(tagger_.backend(), parameters.gradient(static_cast<int>(i)));
    if (!bad) continue;
    found_ = {layer, "gradient of " + entry.name, bad->value};
    return;
  }
}

}  // namespace earshot
