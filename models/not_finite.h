// Where a NaN or an infinity came from: the first layer and tensor of a step that held one.
#pragma once

#include <optional>
#include <string>

#include "engine/trace.h"
#include "models/tagger.h"

namespace earshot {

struct NotFinite {
  std::string layer;     // "block2.norm", "audio.block1", "input", "loss", "weights"
  std::string tensor;    // "block2.norm.y", "gradient of block2.norm.gamma"
  double value = 0;      // what was found: NaN or an infinity
  int64_t example = -1;  // the first of the batch that holds one; -1: a parameter or its gradient
};

/// "NaN in tensor block2.norm.y of layer block2.norm"
std::string to_string(const NotFinite& found);

/// The first value of all parameters, statistics and moments that is not finite.
std::optional<NotFinite> find_not_finite(const Tagger& tagger, const Tagger::Snapshots& snapshots);

/// Hears a step layer by layer and keeps the first tensor that is not finite; waits for the device
/// after each.
class NotFiniteFinder : public PartListener {
 public:
  explicit NotFiniteFinder(const Tagger& tagger) : tagger_(tagger) {}
  void wrote(const std::string& layer, TracePhase phase, const Tensor& tensor) override;

  const std::optional<NotFinite>& found() const { return found_; }

 private:
  void look_at_gradients(const std::string& layer);
  const Tagger& tagger_;
  std::optional<NotFinite> found_;
};

}  // namespace earshot
