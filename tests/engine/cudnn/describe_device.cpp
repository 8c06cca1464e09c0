// Prints the first GPU as cuDNN describes it: what h100.json and a100.json stand for.
#include <cstdio>
#include <exception>

#include "engine/cuda/graph.h"

int main() {
  try {
    std::puts(earshot::cuda::description(earshot::cuda::own_device(0)).c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
