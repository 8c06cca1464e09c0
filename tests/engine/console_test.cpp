#include "engine/console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "engine/files.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// Sends stderr elsewhere for as long as it lives.
class StderrTo {
 public:
  explicit StderrTo(int fd) : old_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  ~StderrTo() {
    ::dup2(old_, STDERR_FILENO);
    ::close(old_);
  }

 private:
  int old_;
};

/// What `work` writes to a stderr that is a file.
template <typename Work>
std::string file_output(Work work) {
  const Scratch scratch;
  const int fd = ::open((scratch / "err").c_str(), O_WRONLY | O_CREAT, 0600);
  {
    const StderrTo redirected(fd);
    work();
  }
  ::close(fd);
  return read_file(scratch / "err");
}

/// What `work` writes to a stderr that is a terminal.
template <typename Work>
std::string terminal_output(Work work) {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || ::grantpt(terminal) < 0 || ::unlockpt(terminal) < 0) return "no terminal";
  const int fd = ::open(::ptsname(terminal), O_RDWR | O_NOCTTY);
  ::setenv("TERM", "xterm", 1);
  {
    const StderrTo redirected(fd);
    work();
  }
  ::close(fd);
  // What was written comes in pieces; EIO ends it, since nobody has the terminal open any more.
  std::string text;
  std::array<char, 4096> piece;
  for (ssize_t got; (got = ::read(terminal, piece.data(), piece.size())) > 0;)
    text.append(piece.data(), static_cast<size_t>(got));
  ::close(terminal);
  return text;
}

TEST(Progress, OneLineAtTheEndWithoutATerminal) {
  setup_console(false);
  const std::string text = file_output([] {
    Progress progress("decode", 4, "clips");
    for (int i = 0; i < 4; ++i) progress.advance(1, i == 2 ? "last\nnote" : "");
    progress.finish();
  });
  EXPECT_EQ(text.rfind("decode: 4/4 clips (100 %), ", 0), 0u) << text;
  EXPECT_TRUE(contains(text, ", last?note\n")) << text;
  EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
  EXPECT_EQ(text.find('\033'), std::string::npos) << text;
}

TEST(Progress, CountsFromManyThreads) {
  setup_console(false);
  const std::string text = file_output([] {
    Progress progress("read", 0, "bytes");
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; ++i) progress.advance(1);
      });
  });
  EXPECT_EQ(text.rfind("read: 4000 bytes, ", 0), 0u) << text;
}

TEST(Progress, QuietPrintsOnlyWarnings) {
  setup_console(true);
  const std::string text = file_output([] {
    Progress progress("decode", 4, "clips");
    progress.advance(4);
    spdlog::info("hidden");
    spdlog::warn("shown");
  });
  setup_console(false);
  EXPECT_TRUE(contains(text, "warning shown\n")) << text;
  EXPECT_FALSE(contains(text, "hidden") || contains(text, "decode")) << text;
}

TEST(Progress, ALogLineDoesNotGarbleTheBar) {
  setup_console(false);
  const std::string text = terminal_output([] {
    Progress progress("train", 10, "steps");
    progress.advance(5, std::string(300, 'x'));
    spdlog::warn("careful");
    progress.finish();
  });
  if (text == "no terminal") GTEST_SKIP() << "this machine gives out no terminals";
  // The bar, 79 columns of it; the line cleared for the log; the bar again; the last line.
  const std::string clear = "\r\033[K";
  const std::string start = clear + "train: [############............] 5/10 steps (50 %), ";
  ASSERT_EQ(text.rfind(start, 0), 0u) << text;
  const std::string bar = text.substr(clear.size(), 79);
  EXPECT_EQ(text.substr(clear.size() + 79, clear.size()), clear) << text;
  const size_t log_end = text.find("careful\r\n");
  ASSERT_NE(log_end, std::string::npos) << text;
  EXPECT_EQ(text.substr(log_end + 9, 79 + clear.size()), bar + clear) << text;
  EXPECT_EQ(text.substr(text.size() - 2), "\r\n");
}

}  // namespace
}  // namespace earshot
