// What a person sees while a program works: log lines and one progress bar.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace earshot {

/// Log lines go to stderr through spdlog; `quiet` leaves warnings and errors only, no progress.
void setup_console(bool quiet);

/// A bar with rate and time left on a terminal; elsewhere a plain line every 10 s and at the end.
/// Safe to call `advance` from several threads.
class Progress {
 public:
  /// `total` of 0 means unknown: then only the count and the rate are shown.
  Progress(std::string what, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Adds `done` units; `note` (a loss, a file name) is shown behind the bar; an
  /// empty one leaves the last.
  void advance(int64_t done, const std::string& note = {});
  /// Ends the bar with a last line. Called by the destructor if it was not called before.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace earshot
