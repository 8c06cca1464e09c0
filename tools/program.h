// What every program shares: parsing, exit statuses (0 done, 1 the work failed, 2 the call was
// wrong, 75 stopped by a signal with its state saved), one-sentence errors.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace earshot {

/// The work failed and the user already knows why: exit status 1 without another sentence.
struct Failed {};

/// EX_TEMPFAIL of sysexits.h, "the user is invited to retry": the same call goes on. No other
/// failure has it, so that a scheduler can queue the job again on it and on nothing else.
constexpr int kStoppedStatus = 75;

/// The program was asked to stop and has saved its state: kStoppedStatus.
struct Stopped {
  std::string sentence;
};

/// From the first call on, SIGTERM, SIGINT and SIGUSR1 set the flag instead of ending the process;
/// a second SIGINT (Ctrl-C) ends it.
const std::atomic<bool>& stop_on_signals();

/// Parses argv into `app`, then calls `work`. Adds --quiet and --version. Prints
/// "<program>: <sentence>" on stderr and returns the exit status when anything throws.
int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& work);

}  // namespace earshot
