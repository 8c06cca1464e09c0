// What bench_worker --save writes for the rivals: named tensors, and the layers' tables as
// metadata.
#pragma once

#include "engine/safetensors.h"
#include "models/tagger.h"

namespace earshot {

class CaseFile {
 public:
  /// "weight.<name>" of every parameter and statistic as they are now.
  void add_weights(const Tagger& tagger);
  void add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values);
  void add(Backend& backend, const std::string& name, const Tensor& t);
  /// What a rival builds the network from.
  void describe(const Tagger& tagger, int64_t batch);
  void write(const fs::path& path) const;

 private:
  struct Entry {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<float> values;
  };
  std::vector<Entry> entries_;
  Metadata metadata_;
};

}  // namespace earshot
