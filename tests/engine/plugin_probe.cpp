// Opens the backend that --device (the one argument) chooses and prints its name.
#include <cstdio>
#include <exception>

#include "engine/select_backend.h"

int main(int argc, char** argv) {
  try {
    if (argc != 2) return 2;
    std::puts(earshot::select_backend(argv[1], 1)->name().c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
