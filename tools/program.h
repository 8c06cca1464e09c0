// What every program shares: parsing, exit statuses (0 done, 1 the work failed, 2 the call was
// wrong), one-sentence errors.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace earshot {

/// The work failed and the user already knows why: exit status 1 without another sentence.
struct Failed {};

/// Parses argv into `app`, then calls `work`. Adds --quiet and --version. Prints
/// "<program>: <sentence>" on stderr and returns the exit status when anything throws.
int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& work);

}  // namespace earshot
