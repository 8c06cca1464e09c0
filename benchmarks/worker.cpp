#include "benchmarks/worker.h"

#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <sstream>
#include <string>

#include "engine/error.h"

namespace earshot {

int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;  // Linux counts kilobytes
}

void serve(const nlohmann::json& ready, const std::function<void()>& repetition) {
  using Clock = std::chrono::steady_clock;
  std::cout << ready.dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    int repetitions = 0;
    words >> command;
    nlohmann::json answer;
    if (command == "run" && words >> repetitions) {
      answer["seconds"] = nlohmann::json::array();
      for (int i = 0; i < repetitions; ++i) {
        const auto start = Clock::now();
        repetition();
        answer["seconds"].push_back(std::chrono::duration<double>(Clock::now() - start).count());
      }
    } else if (command == "memory") {
      answer["peak_bytes"] = peak_resident_bytes();
    } else {
      fail_usage("command '{}': a worker knows 'run N' and 'memory'", line);
    }
    std::cout << answer.dump() << std::endl;
  }
}

}  // namespace earshot
