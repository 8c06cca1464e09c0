// All trainable parameters in one contiguous buffer, all gradients in another, Adam's moments
// likewise; batch-norm statistics in a fifth. Adam, a norm or an all-reduce is one call each.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "engine/safetensors.h"

namespace earshot {

/// How a parameter starts (paper leaves it to Keras): Glorot uniform with limit
/// sqrt(6 / (fan_in + fan_out)), or a constant.
struct InitialValue {
  double fan_in = 0, fan_out = 0;  // both 0: constant
  float constant = 0;
};

class Parameters {
 public:
  enum class Kind { kTrainable, kStatistic };
  struct Entry {
    std::string name;
    Shape shape;
    Kind kind;
    InitialValue initial;
    int64_t offset = 0;  // floats into its buffer
  };

  /// Adds a parameter, or finds the one of this name (then shape and kind must agree).
  int declare(const std::string& name, const Shape& shape, Kind kind, InitialValue initial);
  /// Memory for everything declared, values and gradients zero. `trained` false: no gradients and
  /// no moments (frozen trunks, prediction).
  void allocate(Backend& backend, bool trained);
  /// Draws initial values: entry i uses the Philox stream (seed, initial weights, i, 0).
  void initialise(uint64_t seed);

  Tensor value(int id) const;
  /// The value as convolutions multiply it: a copy in the backend's activation type where that is
  /// not float32, as of the last refresh_factors().
  Tensor factor(int id) const;
  /// Once a pass, before its layers: the optimiser may have changed the values since the last.
  /// restore() and load() do so by themselves.
  void refresh_factors();
  Tensor gradient(int id) const;
  /// Whole buffers, [1, 1, 1, count].
  Tensor values() const { return values_; }
  Tensor gradients() const { return gradients_; }
  Tensor first_moments() const { return m_; }
  Tensor second_moments() const { return v_; }
  Tensor statistics() const { return statistics_; }
  /// Room for a copy of the statistics, where the set is trained.
  Tensor saved_statistics() const { return saved_statistics_; }

  int64_t trainable_count() const;  // without the padding between tensors
  int64_t bytes() const;            // of device memory, known after allocate()
  const std::vector<Entry>& entries() const { return entries_; }

  /// What a checkpoint holds, copied to the host.
  struct Snapshot {
    std::vector<float> values, statistics, m, v;
  };
  Snapshot snapshot() const;
  void restore(const Snapshot& snapshot);

  /// Named tensors of a snapshot, `prefix` before each name; spans point into the snapshot.
  std::vector<SafetensorsEntry> tensors(const Snapshot& snapshot, const std::string& prefix) const;
  /// Adam's moments of a snapshot as "adam.m" and "adam.v".
  std::vector<SafetensorsEntry> moments(const Snapshot& snapshot) const;
  /// Values and statistics from a file, each checked for name and shape. Throws Error naming file
  /// and tensor.
  void load(const SafetensorsFile& file, const std::string& prefix);
  /// Moments written by moments().
  void load_moments(const SafetensorsFile& file);

 private:
  Backend* backend_ = nullptr;
  std::vector<Entry> entries_;
  int64_t trainable_floats_ = 0, statistic_floats_ = 0;
  DeviceMemory memory_;
  Tensor values_, gradients_, m_, v_, statistics_, saved_statistics_;
  Tensor factors_;  // without data where the activation type is float32
};

}  // namespace earshot
