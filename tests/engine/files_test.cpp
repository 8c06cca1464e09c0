#include "engine/files.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <fstream>
#include <set>
#include <vector>

#include "tests/scratch.h"

namespace earshot {
namespace {

/// No file of this process may grow beyond `bytes`: a full disk that needs no rights to set up.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    if (::setrlimit(RLIMIT_FSIZE, &limit) < 0) throw std::runtime_error("cannot set the limit");
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  sighandler_t old_handler_;
  rlimit old_{};
};

TEST(AtomicFile, AppearsAtCommitAndNotBefore) {
  const Scratch scratch;
  const fs::path path = scratch / "a.bin";
  AtomicFile file(path);
  file.write("hello world");
  file.write_at(6, "WORLD", 5);
  EXPECT_EQ(file.size(), 11u);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(scratch / fmt::format("a.bin.{}.partial", ::getpid())));
  file.commit();
  EXPECT_EQ(read_file(path), "hello WORLD");
  EXPECT_EQ(scratch.count(), 1u);
}

TEST(AtomicFile, LeavesNothingWhenNotCommitted) {
  const Scratch scratch;
  { AtomicFile(scratch / "a.bin").write("lost"); }
  EXPECT_EQ(scratch.count(), 0u);
}

TEST(AtomicFile, KeepsTheOldFileUntilCommit) {
  const Scratch scratch;
  const fs::path path = scratch / "a.txt";
  write_file(path, "old");
  { AtomicFile(path).write("new, abandoned"); }
  EXPECT_EQ(read_file(path), "old");
  write_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(scratch.count(), 1u);
}

TEST(AtomicFile, TwoWritersOfOneFileDoNotMix) {
  const Scratch scratch;
  AtomicFile first(scratch / "a.txt"), second(scratch / "a.txt");
  first.write("first");
  second.write("second");
  first.commit();
  second.commit();
  EXPECT_EQ(read_file(scratch / "a.txt"), "second");
  EXPECT_EQ(scratch.count(), 1u);
}

void touch(const fs::path& path) { std::ofstream(path).put('x'); }

/// Begins to write `path` in a process that is then killed.
void abandon(const fs::path& path) {
  const pid_t child = ::fork();
  if (child == 0) {
    const AtomicFile file(path);
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(AtomicFile, RemovesWhatKilledProcessesLeftAndNothingElse) {
  const Scratch scratch;
  AtomicFile living(scratch / "report.json");
  living.write("living");
  abandon(scratch / "report.json");
  touch(scratch / "report.json.7.partial");
  touch(scratch / "report.json.7.3.partial");
  const std::set<std::string> kept = {"report.json.partial", "report.json.x7.partial",
                                      "report.json.7", "other.json.7.partial"};
  for (const std::string& name : kept) touch(scratch / name);
  fs::create_directory(scratch / "report.json.8.partial");
  ASSERT_EQ(scratch.count(), 9u);
  write_file(scratch / "report.json", "whole");
  EXPECT_EQ(scratch.count(), 7u);
  for (const std::string& name : kept) EXPECT_TRUE(fs::exists(scratch / name)) << name;
  living.commit();
  EXPECT_EQ(read_file(scratch / "report.json"), "living");
}

TEST(AtomicFile, CanBeClearedAwayByItsBeginning) {
  const Scratch scratch;
  abandon(scratch / "clips-1.bin");
  abandon(scratch / "clips-2.bin");
  abandon(scratch / "index.json");
  const AtomicFile living(scratch / "clips-3.bin");
  remove_abandoned(scratch.path(), "clips-");
  EXPECT_EQ(scratch.count(), 2u);
  remove_abandoned(scratch / "missing", "clips-");
}

/// Processes that write the same file at once and clear away each other's leavings.
TEST(AtomicFile, ManyWritersNeverLoseAFileThatTheyWrite) {
  const Scratch scratch;
  constexpr int kWriters = 4, kRounds = 50;
  for (int w = 0; w < kWriters; ++w) {
    if (::fork() != 0) continue;
    bool good = true;
    for (int i = 0; i < kRounds && good; ++i)
      good = error_of([&] { write_file(scratch / "a", std::string(100, 'a')); }) == "no error";
    ::_exit(good ? 0 : 1);
  }
  for (int w = 0; w < kWriters; ++w) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(read_file(scratch / "a"), std::string(100, 'a'));
  EXPECT_EQ(scratch.count(), 1u);
}

TEST(AtomicFile, FollowsALink) {
  const Scratch scratch;
  write_file(scratch / "real", "old");
  fs::create_symlink("real", scratch / "link");
  write_file(scratch / "link", "new");
  EXPECT_TRUE(fs::is_symlink(scratch / "link"));
  EXPECT_EQ(read_file(scratch / "real"), "new");
}

TEST(AtomicFile, NamesWhatIsWrongWithTheTarget) {
  const Scratch scratch;
  const auto opening = [](const fs::path& path) { return error_of([&] { AtomicFile f(path); }); };
  EXPECT_TRUE(contains(opening(scratch / "no/such/f"), "create the folder"));
  EXPECT_TRUE(contains(opening(scratch / "no/such/f"), (scratch / "no/such/f").string()));
  EXPECT_TRUE(contains(opening(scratch.path()), "it is a folder"));
  EXPECT_TRUE(contains(opening(scratch / "none/"), "does not name a file"));
  EXPECT_TRUE(contains(opening("/dev/full"), "not a regular file"));
  EXPECT_EQ(scratch.count(), 0u);
}

TEST(AtomicFile, NamesAReadOnlyFolder) {
  const Scratch scratch;
  fs::permissions(scratch.path(), fs::perms{0555});
  const bool is_root = ::geteuid() == 0;
  if (is_root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const std::string error = error_of([&] { write_file(scratch / "f", "x"); });
  if (is_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  fs::permissions(scratch.path(), fs::perms{0755});
  EXPECT_TRUE(contains(error, "Permission denied")) << error;
  EXPECT_TRUE(contains(error, "choose a folder that you may write to")) << error;
  EXPECT_EQ(scratch.count(), 0u);
}

TEST(AtomicFile, FullDiskIsASentenceAndLeavesTheOldFile) {
  const Scratch scratch;
  const fs::path path = scratch / "f";
  write_file(path, "old");
  const std::vector<char> data(10000, 'x');
  std::string first, second, commit;
  {
    const FileSizeLimit limit(15000);  // the second write ends short, then fails
    AtomicFile file(path);
    file.write(data.data(), data.size());
    first = error_of([&] { file.write(data.data(), data.size()); });
    EXPECT_EQ(scratch.count(), 1u);
    second = error_of([&] { file.write("more"); });
    commit = error_of([&] { file.commit(); });
  }
  EXPECT_TRUE(contains(first, "cannot write " + path.string() + ": File too large")) << first;
  EXPECT_TRUE(contains(first, "--resume")) << first;
  EXPECT_TRUE(contains(second, "a write failed before")) << second;
  EXPECT_TRUE(contains(commit, "a write failed before")) << commit;
  EXPECT_EQ(read_file(path), "old");
}

TEST(AtomicFile, OverwritesOnlyWhatWasWritten) {
  const Scratch scratch;
  AtomicFile file(scratch / "f");
  file.write("1234");
  EXPECT_TRUE(contains(error_of([&] { file.write_at(3, "xx", 2); }), "it has only 4"));
  EXPECT_TRUE(contains(error_of([&] { file.write_at(~uint64_t{0}, "xx", 2); }), "it has only 4"));
  file.write_at(2, "xx", 2);
  file.write("5");
  file.commit();
  EXPECT_EQ(read_file(scratch / "f"), "12xx5");
  EXPECT_NE(error_of([&] { file.commit(); }), "no error");
}

TEST(ReadFile, NamesWhatIsWrong) {
  const Scratch scratch;
  write_file(scratch / "f", "12345");
  EXPECT_EQ(read_file(scratch / "f", 5), "12345");
  EXPECT_TRUE(contains(error_of([&] { read_file(scratch / "f", 4); }), "more than the 4 bytes"));
  EXPECT_TRUE(contains(error_of([&] { read_file(scratch.path()); }), "it is a folder"));
  EXPECT_TRUE(contains(error_of([&] { read_file(scratch / "g"); }), "No such file"));
}

TEST(MappedFile, ShowsTheBytes) {
  const Scratch scratch;
  write_file(scratch / "f", "abc");
  write_file(scratch / "empty", "");
  MappedFile file(scratch / "f");
  ASSERT_EQ(file.bytes().size(), 3u);
  EXPECT_EQ(static_cast<char>(file.bytes()[2]), 'c');
  const MappedFile moved(std::move(file));
  EXPECT_EQ(static_cast<char>(moved.bytes()[0]), 'a');
  EXPECT_EQ(MappedFile(scratch / "empty").bytes().size(), 0u);
  ASSERT_EQ(::mkfifo((scratch / "pipe").c_str(), 0600), 0);
  EXPECT_TRUE(contains(error_of([&] { MappedFile f(scratch / "pipe"); }), "not a regular file"));
  EXPECT_TRUE(contains(error_of([&] { MappedFile f(scratch.path()); }), "it is a folder"));
  EXPECT_TRUE(contains(error_of([&] { MappedFile f(scratch / "g"); }), "No such file"));
}

TEST(LineFile, AppendsAndCutsBack) {
  const Scratch scratch;
  const fs::path path = scratch / "log.jsonl";
  uint64_t kept = 0;
  {
    LineFile file(path, 0);
    file.append("one");
    kept = file.size();
    file.append("two");
    EXPECT_EQ(read_file(path), "one\ntwo\n");
    EXPECT_TRUE(contains(error_of([&] { file.append("a\nb"); }), "newline"));
  }
  LineFile file(path, kept);
  file.append("three");
  EXPECT_EQ(read_file(path), "one\nthree\n");
  EXPECT_EQ(file.size(), 10u);
  EXPECT_TRUE(contains(error_of([&] { LineFile f(path, 11); }), "10 bytes where 11"));
}

TEST(LineFile, FullDiskLeavesNoHalfLine) {
  const Scratch scratch;
  LineFile file(scratch / "log", 0);
  std::string error;
  {
    const FileSizeLimit limit(10);
    file.append("123456");
    error = error_of([&] { file.append("123456"); });
  }
  EXPECT_TRUE(contains(error, "File too large")) << error;
  EXPECT_EQ(read_file(scratch / "log"), "123456\n");
  file.append("later");
  EXPECT_EQ(read_file(scratch / "log"), "123456\nlater\n");
}

TEST(FolderLock, NamesTheProcessThatHoldsItAndEndsWithIt) {
  const Scratch scratch;
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const FolderLock lock(scratch.path());
    if (::write(ready[1], "x", 1) == 1) ::pause();
    ::_exit(1);
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const std::string error = error_of([&] { FolderLock lock(scratch.path()); });
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(contains(error, fmt::format("in use by process {} on", child))) << error;
  EXPECT_EQ(error_of([&] { FolderLock lock(scratch.path()); }), "no error");
  EXPECT_EQ(error_of([&] { FolderLock lock(scratch.path()); }), "no error");
  EXPECT_TRUE(contains(error_of([&] { FolderLock lock(scratch / "no"); }), "create the folder"));
}

TEST(ContentHash, SeesEveryBitAndTheLength) {
  for (const size_t size : {1u, 7u, 8u, 31u, 32u, 33u, 64u, 77u}) {
    std::vector<std::byte> data(size);
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<std::byte>(i * 37);
    const uint64_t original = content_hash(data);
    std::set<uint64_t> seen{original};
    int changed_bits = 0;
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      data[bit / 8] ^= std::byte{1} << (bit % 8);
      const uint64_t hash = content_hash(data);
      changed_bits += std::popcount(hash ^ original);
      seen.insert(hash);
      data[bit / 8] ^= std::byte{1} << (bit % 8);
    }
    EXPECT_EQ(seen.size(), 8 * size + 1);
    EXPECT_EQ(content_hash(data), original);
    // Each flip changes half of the 64 bits on average.
    EXPECT_NEAR(changed_bits / (8.0 * static_cast<double>(size)), 32, 6);
    data.push_back(std::byte{0});
    EXPECT_NE(content_hash(data), original);
    EXPECT_NE(content_hash(data, 1), content_hash(data, 0));
  }
}

TEST(ContentHash, SeesWordsThatChangePlaces) {
  std::vector<uint64_t> words(64);
  for (size_t i = 0; i < words.size(); ++i) words[i] = i * i;
  std::set<uint64_t> seen{content_hash(std::as_bytes(std::span(words)))};
  for (size_t i = 1; i < words.size(); ++i) {
    std::swap(words[0], words[i]);
    seen.insert(content_hash(std::as_bytes(std::span(words))));
    std::swap(words[0], words[i]);
  }
  EXPECT_EQ(seen.size(), words.size());
}

}  // namespace
}  // namespace earshot
