// What reads bytes from strangers, each as one function from bytes to an outcome: driven with
// mutations of good files (mutations_test.cpp) and by libFuzzer (fuzz.cpp).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace earshot {

/// How a reader took a file. A reader may refuse with one sentence; it may not throw anything else.
struct Outcome {
  bool refused = false;
  std::string text;  // the sentence, or a digest of all that was read
};

struct FaultTarget {
  const char* name;                         // "safetensors", "wav", ...
  bool checked;                             // files carry a checksum: a change is found
  Outcome (*read)(std::string_view bytes);  // may use a file in a scratch folder of its own
  std::vector<std::string> (*seeds)();      // good files
};

std::span<const FaultTarget> fault_targets();

}  // namespace earshot
