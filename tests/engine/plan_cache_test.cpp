#include "engine/cuda/plan_cache.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>

#include "tests/scratch.h"

namespace earshot::cuda {
namespace {

const PlanEnvironment kDevice{"NVIDIA H100 80GB HBM3", 90, 13000, 91900};
constexpr double kFails = std::numeric_limits<double>::infinity();

/// Three plans with given times; counts what is asked of them.
struct Trial {
  std::vector<double> milliseconds{3, 1, 2};
  std::vector<bool> usable{true, true, true};
  std::vector<std::string> names{"a", "b", "c"};
  int timed = 0;

  PlanOptions options() {
    return {names, [this](size_t i) { return usable[i]; },
            [this](size_t i) {
              ++timed;
              return milliseconds[i];
            }};
  }
};

class PlanCacheTest : public testing::Test {
 protected:
  size_t choose(Trial& trial, const fs::path& run = {}, const PlanEnvironment& on = kDevice) const {
    PlanChoices choices(on, cache);
    if (!run.empty()) choices.keep_in(run);
    const size_t chosen = choices.choose("key", trial.options());
    choices.save();
    return chosen;
  }
  std::string name_in(const fs::path& file, const std::string& key = "key") const {
    const PlanFile content(file, kDevice.name());
    const PlanChoice* found = content.find(key);
    return found ? found->plan : "";
  }
  Scratch scratch;
  fs::path cache = scratch / "cache" / "plans.json";
};

TEST_F(PlanCacheTest, TheFastestIsTakenAndNotMeasuredAgain) {
  Trial trial;
  EXPECT_EQ(choose(trial), 1u);
  EXPECT_EQ(trial.timed, 3);
  trial.milliseconds = {1, 2, 3};  // a later measurement would say otherwise
  EXPECT_EQ(choose(trial), 1u);
  EXPECT_EQ(trial.timed, 3);
}

TEST_F(PlanCacheTest, OfEqualsTheFirstAndNeverWhatFailsOrIsNaN) {
  cache.clear();
  Trial trial;
  trial.milliseconds = {2, 1, 1};
  EXPECT_EQ(choose(trial), 1u);
  trial.milliseconds = {kFails, std::nan(""), 7};
  EXPECT_EQ(choose(trial), 2u);
  trial.milliseconds = {1, 2, 3};
  trial.usable = {false, true, true};
  EXPECT_EQ(choose(trial), 1u);
  trial.usable = {false, false, false};
  EXPECT_EQ(choose(trial), 3u);
}

TEST_F(PlanCacheTest, WithoutTimesTheFirstUsableIsTakenAndNotKept) {
  Trial trial;
  trial.usable = {false, true, true};
  PlanChoices choices(kDevice, cache);
  PlanOptions untimed = trial.options();
  untimed.milliseconds = {};
  EXPECT_EQ(choices.choose("key", untimed), 1u);
  trial.milliseconds = {kFails, kFails, kFails};
  EXPECT_EQ(choices.choose("key", trial.options()), 1u);
  choices.save();
  EXPECT_FALSE(fs::exists(cache));
}

TEST_F(PlanCacheTest, OneProcessMeasuresOnceEvenWithoutAFile) {
  Trial trial;
  PlanChoices choices(kDevice, {});
  EXPECT_EQ(choices.choose("key", trial.options()), 1u);
  EXPECT_EQ(choices.choose("key", trial.options()), 1u);
  EXPECT_EQ(trial.timed, 3);
  EXPECT_EQ(choices.choose("another key", trial.options()), 1u);
  EXPECT_EQ(trial.timed, 6);
}

TEST_F(PlanCacheTest, AnyOtherDeviceDriverOrLibraryMeasuresAnew) {
  Trial trial;
  choose(trial);
  for (const PlanEnvironment& other : {PlanEnvironment{"NVIDIA H200", 90, 13000, 91900},
                                       PlanEnvironment{kDevice.device, 100, 13000, 91900},
                                       PlanEnvironment{kDevice.device, 90, 13010, 91900},
                                       PlanEnvironment{kDevice.device, 90, 13000, 91901}}) {
    Trial there;
    there.milliseconds = {1, 2, 3};
    EXPECT_EQ(choose(there, {}, other), 0u) << other.name();
    EXPECT_EQ(there.timed, 3) << other.name();
  }
  Trial again;
  again.milliseconds = {1, 2, 3};
  EXPECT_EQ(choose(again), 1u) << "the others' choices replaced this device's";
}

TEST_F(PlanCacheTest, APlanThatIsGoneOrNoLongerUsableIsReplaced) {
  Trial trial;
  choose(trial);
  trial.usable = {true, false, true};
  EXPECT_EQ(choose(trial), 2u);
  EXPECT_EQ(name_in(cache), "c");
  trial.names = {"a", "b", "new"};
  trial.usable = {true, true, true};
  EXPECT_EQ(choose(trial), 1u);
}

TEST_F(PlanCacheTest, ARunGoesOnWithItsOwnChoiceWhateverTheCacheSays) {
  const fs::path run = scratch / "run" / "plans.json";
  Trial trial;
  EXPECT_EQ(choose(trial, run), 1u);
  fs::remove(cache);
  Trial other;
  other.milliseconds = {1, 2, 3};
  EXPECT_EQ(choose(other), 0u);  // another process fills the cache
  EXPECT_EQ(name_in(cache), "a");
  EXPECT_EQ(choose(other, run), 1u);
  EXPECT_EQ(other.timed, 3);
  // A run also keeps what the cache gave it.
  EXPECT_EQ(choose(other, scratch / "second.json"), 0u);
  EXPECT_EQ(name_in(scratch / "second.json"), "a");
}

TEST_F(PlanCacheTest, ADamagedOrForeignFileIsLeftAsideAndReplaced) {
  const std::string good = R"({"format": "earshot plans", "version": 1, "devices": )";
  for (const std::string& content :
       {std::string(), std::string("{"), std::string("\xff\xfe"), std::string("[1, 2]"),
        std::string(R"({"format": "another", "version": 1, "devices": {}})"),
        std::string(R"({"format": "earshot plans", "version": 2, "devices": {}})"), good + "3}",
        good + R"({"d": {"key": 1}}})", good + R"({"d": {"key": {"plan": 1}}}})",
        good + R"({"d": {"key": {"plan": "a", "milliseconds": "b"}}}})"}) {
    fs::create_directories(cache.parent_path());
    write_file(cache, content);
    Trial trial;
    EXPECT_EQ(choose(trial), 1u) << content;
    EXPECT_EQ(trial.timed, 3) << content;
    EXPECT_EQ(name_in(cache), "b") << content;
  }
}

TEST_F(PlanCacheTest, AFolderThatCannotBeWrittenIsDoneWithout) {
  write_file(scratch / "file", "");
  cache = scratch / "file" / "plans.json";
  Trial trial;
  EXPECT_EQ(choose(trial), 1u);
}

// Every process loads, adds and saves on its own; nobody's choices get lost, no file is half.
TEST_F(PlanCacheTest, ProcessesMayWriteAtOnce) {
  constexpr int kProcesses = 4, kKeys = 8;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    children.push_back(fork());
    if (children.back() != 0) continue;
    PlanFile file(cache, kDevice.name());
    for (int k = 0; k < kKeys; ++k) {
      file.add(std::to_string(p) + " " + std::to_string(k), {"plan", 1.0});
      file.save();
    }
    std::_Exit(0);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  for (int p = 0; p < kProcesses; ++p)
    for (int k = 0; k < kKeys; ++k)
      EXPECT_EQ(name_in(cache, std::to_string(p) + " " + std::to_string(k)), "plan") << p << k;
}

/// Sets a variable of the environment, or removes it, until the end of the scope.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) before_ = old;
    set(value);
  }
  ~Variable() { set(before_ ? before_->c_str() : nullptr); }

 private:
  void set(const char* value) { value ? setenv(name_, value, 1) : unsetenv(name_); }
  const char* name_;
  std::optional<std::string> before_;
};

TEST(PlanCachePath, FollowsTheEnvironment) {
  const Variable home("HOME", "/home/ada");
  const Variable none("XDG_CACHE_HOME", nullptr), no_own("EARSHOT_CACHE_DIR", nullptr);
  EXPECT_EQ(plan_cache_path(), "/home/ada/.cache/earshot/plans.json");
  const Variable relative("XDG_CACHE_HOME", "not/absolute");  // to be ignored, says its standard
  EXPECT_EQ(plan_cache_path(), "/home/ada/.cache/earshot/plans.json");
  const Variable xdg("XDG_CACHE_HOME", "/var/cache/ada");
  EXPECT_EQ(plan_cache_path(), "/var/cache/ada/earshot/plans.json");
  const Variable own("EARSHOT_CACHE_DIR", "/scratch");
  EXPECT_EQ(plan_cache_path(), "/scratch/plans.json");
  const Variable off("EARSHOT_CACHE_DIR", "");
  EXPECT_EQ(plan_cache_path(), "");
}

}  // namespace
}  // namespace earshot::cuda
