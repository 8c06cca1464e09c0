#include "engine/console.h"

#include <fmt/format.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace earshot {
namespace {

using Clock = std::chrono::steady_clock;

/// What both the log and the progress bar need: one writer at a time, and the bar that stands in
/// the last line of the terminal (empty when there is none). Never destroyed, so that a late
/// log line still finds it.
struct Console {
  std::mutex mutex;
  std::string bar;
  bool quiet = false;
};

Console& console() {
  static Console* const only = new Console;
  return *only;
}

constexpr std::string_view kClearLine = "\r\033[K";

void put(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

/// Takes the bar away, prints the line, and brings the bar back.
class LogSink final : public spdlog::sinks::ansicolor_stderr_sink_mt {
 public:
  void log(const spdlog::details::log_msg& message) override {
    const std::lock_guard lock(console().mutex);
    if (!console().bar.empty()) put(kClearLine);
    spdlog::sinks::ansicolor_stderr_sink_mt::log(message);
    if (!console().bar.empty()) put(console().bar);
  }
};

bool can_redraw() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && terminal != nullptr &&
         std::string_view(terminal) != "dumb";
}

size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

/// At most `bytes` bytes, never ending within a UTF-8 character.
void cut(std::string& text, size_t bytes) {
  if (text.size() <= bytes) return;
  while (bytes > 0 && (static_cast<unsigned char>(text[bytes]) & 0xC0u) == 0x80u) --bytes;
  text.resize(bytes);
}

std::string printable(std::string text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

std::string duration_text(double seconds) {
  constexpr double kLongest = 100 * 3600 - 1;
  const int64_t whole = std::llround(std::clamp(seconds, 0.0, kLongest));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string rate_text(double rate) {
  return rate < 10 ? fmt::format("{:.2f}", rate) : fmt::format("{:.{}f}", rate, rate < 100 ? 1 : 0);
}

std::string bar_text(double fraction) {
  constexpr int kCells = 24;
  const int full = static_cast<int>(fraction * kCells);
  return fmt::format("[{:#<{}}{:.<{}}]", "", full, "", kCells - full);
}

}  // namespace

void setup_console(bool quiet) {
  auto logger = std::make_shared<spdlog::logger>("earshot", std::make_shared<LogSink>());
  logger->set_pattern("%H:%M:%S %^%l%$ %v");
  logger->set_level(quiet ? spdlog::level::warn : spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
  const std::lock_guard lock(console().mutex);
  console().quiet = quiet;
}

/// All members are guarded by console().mutex.
struct Progress::State {
  std::string what, unit, note;
  int64_t total = 0, done = 0;
  Clock::time_point start = Clock::now(), last_drawn = start;
  bool redraws = can_redraw(), finished = false, drawn = false;

  std::string line(bool with_bar, bool last) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double rate = seconds > 0 ? static_cast<double>(done) / seconds : 0;
    std::string text = what + ": ";
    if (total > 0) {
      const double fraction =
          std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
      if (with_bar) text += bar_text(fraction) + " ";
      text += fmt::format("{}/{} {} ({} %)", done, total, unit, static_cast<int>(100 * fraction));
    } else {
      text += fmt::format("{} {}", done, unit);
    }
    text += fmt::format(", {} {}/s", rate_text(rate), unit);
    if (last)
      text += ", took " + duration_text(seconds);
    else if (total > 0 && rate > 0)
      text += ", " + duration_text(static_cast<double>(total - done) / rate) + " left";
    if (!note.empty()) text += ", " + note;
    return text;
  }

  void draw(bool last) {
    using std::chrono::milliseconds;
    const auto now = Clock::now();
    const auto pause = redraws ? milliseconds(100) : milliseconds(10000);
    const bool due = now - last_drawn >= pause || (redraws && !drawn);
    if (console().quiet || (!last && !due)) return;
    last_drawn = now;
    drawn = true;
    if (!redraws) {
      put(line(false, last) + "\n");
      return;
    }
    std::string text = line(!last, last);
    cut(text, terminal_width() - 1);
    put(fmt::format("{}{}{}", kClearLine, text, last ? "\n" : ""));
    console().bar = last ? "" : text;
  }
};

Progress::Progress(std::string what, int64_t total, std::string unit)
    : state_(std::make_unique<State>()) {
  state_->what = printable(std::move(what));
  state_->total = total;
  state_->unit = printable(std::move(unit));
}

Progress::~Progress() { finish(); }

void Progress::advance(int64_t done, const std::string& note) {
  const std::lock_guard lock(console().mutex);
  state_->done += done;
  if (!note.empty()) state_->note = printable(note);
  if (!state_->finished) state_->draw(false);
}

void Progress::finish() {
  const std::lock_guard lock(console().mutex);
  if (std::exchange(state_->finished, true)) return;
  state_->draw(true);
}

}  // namespace earshot
