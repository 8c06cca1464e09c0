#include <charconv>

#include "engine/error.h"
#include "models/phase.h"

namespace earshot {
namespace {

constexpr const char* kStreamedBytes = "streamed_bytes";
constexpr const char* kSkippedExamples = "skipped_examples";

template <typename T>
T number(const SafetensorsFile& file, const char* key) {
  const std::string& text = file.require_metadata(key);
  T value{};
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    fail("{}: metadata {} is \"{}\", not a number", file.path().string(), key, text);
  return value;
}

}  // namespace

// Shortest text that reads back to the same bits, for every number.
Metadata PhaseState::to_metadata() const {
  Metadata metadata{{"epoch", fmt::format("{}", epoch)},
                    {"step_in_epoch", fmt::format("{}", step_in_epoch)},
                    {"step", fmt::format("{}", step)},
                    {"epoch_loss", fmt::format("{}", epoch_loss)},
                    {"best_loss", fmt::format("{}", best_loss)},
                    {"best_epoch", fmt::format("{}", best_epoch)},
                    {"done", done ? "1" : "0"}};
  if (streamed_bytes > 0) metadata[kStreamedBytes] = fmt::format("{}", streamed_bytes);
  if (skipped_examples > 0) metadata[kSkippedExamples] = fmt::format("{}", skipped_examples);
  return metadata;
}

PhaseState PhaseState::from_metadata(const SafetensorsFile& file) {
  PhaseState state;
  state.epoch = number<int>(file, "epoch");
  state.step_in_epoch = number<int64_t>(file, "step_in_epoch");
  state.step = number<int64_t>(file, "step");
  state.epoch_loss = number<double>(file, "epoch_loss");
  state.best_loss = number<double>(file, "best_loss");
  state.best_epoch = number<int>(file, "best_epoch");
  state.done = number<int>(file, "done") != 0;
  if (file.metadata().contains(kStreamedBytes))
    state.streamed_bytes = number<int64_t>(file, kStreamedBytes);
  if (file.metadata().contains(kSkippedExamples))
    state.skipped_examples = number<int64_t>(file, kSkippedExamples);
  return state;
}

}  // namespace earshot
