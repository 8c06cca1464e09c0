// Counted work of a step's parts: what the mathematics asks for, whatever an implementation does.
#pragma once

#include <string>

namespace earshot {

struct Work {
  double flops = 0;  // multiply-adds count twice; behind a pool only the winners carry a gradient
  double bytes = 0;  // each tensor that has to be read or written, once
  double dense_flops = 0;  // flops without that sparsity: what a framework computes
};

/// Of one layer, or of one convolution of a block; named as its range (engine/trace.h).
struct LayerWork {
  std::string name;
  Work forward, backward;
};

}  // namespace earshot
