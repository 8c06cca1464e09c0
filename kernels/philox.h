// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3", SC 2011). The same counter gives the same bits on every device.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/host_device.h"

namespace earshot {

struct PhiloxBlock {
  uint32_t v[4];
};

EARSHOT_HOST_DEVICE inline PhiloxBlock philox4x32(PhiloxBlock counter, uint32_t key0,
                                                  uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter.v[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter.v[2];
    counter = {{static_cast<uint32_t>(p1 >> 32) ^ counter.v[1] ^ key0, static_cast<uint32_t>(p1),
                static_cast<uint32_t>(p0 >> 32) ^ counter.v[3] ^ key1, static_cast<uint32_t>(p0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// What a number is drawn for: streams that must not share bits.
enum class Purpose : uint32_t {
  kInitialWeights = 1,
  kShuffle = 2,
  kAugment = 3,
  kFolds = 4,
  kDropout = 5,
};

/// One stream of numbers, named by (seed, purpose, a, b): for instance epoch and example.
class Random {
 public:
  Random(uint64_t seed, Purpose purpose, uint32_t a, uint32_t b)
      : key0_(static_cast<uint32_t>(seed)),
        key1_(static_cast<uint32_t>(seed >> 32)),
        counter_{{0, a, b, static_cast<uint32_t>(purpose)}} {}

  uint32_t bits() {
    if (used_ == 4) {
      block_ = philox4x32(counter_, key0_, key1_);
      ++counter_.v[0];
      used_ = 0;
    }
    return block_.v[used_++];
  }
  /// Uniform in [0, 1), 53 bits.
  double uniform() {
    const uint64_t high = bits();
    return static_cast<double>(((high << 32) | bits()) >> 11) * 0x1p-53;
  }
  /// Uniform integer in [0, count), count > 0, without bias beyond 2^-32.
  uint64_t below(uint64_t count) {
    const uint64_t high = bits();
    const uint64_t word = (high << 32) | bits();
    return static_cast<uint64_t>((static_cast<Wide>(word) * count) >> 64);
  }

 private:
  __extension__ typedef unsigned __int128 Wide;
  uint32_t key0_, key1_;
  PhiloxBlock counter_;
  PhiloxBlock block_{};
  int used_ = 4;
};

}  // namespace earshot
