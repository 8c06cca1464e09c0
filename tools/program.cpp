#include "tools/program.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <iostream>
#include <new>

#include "engine/console.h"
#include "engine/error.h"

namespace earshot {

namespace {

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a handler sets it

}  // namespace

const std::atomic<bool>& stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };
  for (const int number : {SIGTERM, SIGUSR1, SIGINT}) {
    action.sa_flags = SA_RESTART | (number == SIGINT ? SA_RESETHAND : 0);
    sigaction(number, &action, nullptr);
  }
  return stop;
}

int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& work) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit becomes a failed write with a sentence
  std::signal(SIGPIPE, SIG_IGN);
  bool quiet = false;
  app.add_flag("--quiet", quiet, "Print warnings and errors only");
  app.set_version_flag("--version", std::string("earshot ") + EARSHOT_VERSION);
  app.get_formatter()->column_width(34);
  const std::string name = app.get_name();
  const auto report = [&](const char* sentence, int status) {
    std::cerr << name << ": " << sentence << '\n';
    return status;
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    std::cerr << name << ": " << error.what() << "; see " << name << " --help\n";
    return 2;
  }
  try {
    setup_console(quiet);
    work();
    std::cout.flush();
    if (!std::cout) return report("standard output could not be written", 1);
    return 0;
  } catch (const Failed&) {
    return 1;
  } catch (const Stopped& stopped) {
    return report(stopped.sentence.c_str(), kStoppedStatus);
  } catch (const UsageError& error) {
    return report(error.what(), 2);
  } catch (const DeviceError& error) {
    return report((error.what() + std::string("; --device cpu goes without the GPU")).c_str(), 1);
  } catch (const std::bad_alloc&) {
    return report("out of memory; use a smaller --batch or width, or a machine with more", 1);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}

}  // namespace earshot
