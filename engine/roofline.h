// What a device can do at best, measured on it: the roofs that times are compared with.
#pragma once

#include "engine/backend.h"
#include "engine/work.h"

namespace earshot {

struct Roofline {
  double flops_per_second = 0;  // of a square matrix product, at the backend's precision
  double bytes_per_second = 0;  // of a copy: bytes read and bytes written

  /// Seconds that `work` takes at least: at the lower of the two roofs.
  double floor(const Work& work) const;
  /// "arithmetic" or "memory": what makes the floor.
  const char* bound(const Work& work) const;
};

/// Takes about a second. The best of several repetitions.
Roofline measure_roofline(Backend& backend);

}  // namespace earshot
