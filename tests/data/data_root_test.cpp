#include "data/data_root.h"

#include <gtest/gtest.h>

#include "data/manifest.h"
#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

/// secret/s.wav, and data/ with a file, links to it and links that lead out.
class DataRootTest : public testing::Test {
 protected:
  void SetUp() override {
    write_text(scratch_ / "secret/s.wav", "");
    write_text(scratch_ / "data-2/s.wav", "");
    write_text(root_ / "Bark/a.wav", "");
    fs::create_directories(root_ / "Meow");
    fs::create_symlink("../Bark/a.wav", root_ / "Meow/inside.wav");
    fs::create_symlink("../../secret/s.wav", root_ / "Meow/outside.wav");
    fs::create_symlink("inside.wav", root_ / "Meow/chain.wav");
    fs::create_symlink("outside.wav", root_ / "Meow/outside-chain.wav");
    fs::create_symlink("nowhere.wav", root_ / "Meow/dangling.wav");
    fs::create_symlink("ring.wav", root_ / "Meow/ring.wav");
    fs::create_symlink(scratch_ / "secret", root_ / "Noise");
    fs::create_symlink("Bark", root_ / "Dog");
    fs::create_symlink(scratch_ / "data-2", root_ / "Longer");
  }
  std::string fault(const std::string& name) {
    return DataRoot(root_, /*allow_outside=*/false).fault(root_, name);
  }

  const Scratch scratch_;
  const fs::path root_ = scratch_ / "data";
};

TEST_F(DataRootTest, TakesWhatLiesBelowIt) {
  for (const char* name : {"Bark/a.wav", "Meow/inside.wav", "Meow/chain.wav", "Dog/a.wav",
                           "Meow/../Bark/a.wav", "Bark/missing.wav", "missing/b.wav"}) {
    EXPECT_EQ(fault(name), "") << name;
  }
}

TEST_F(DataRootTest, RefusesLinksThatLeadOut) {
  for (const char* name : {"Meow/outside.wav", "Meow/outside-chain.wav", "Noise/s.wav",
                           "Noise/missing.wav", "Longer/s.wav", "Noise/../secret/s.wav"}) {
    EXPECT_TRUE(fault(name).starts_with("outside: a symbolic link leads out")) << name;
    EXPECT_EQ(DataRoot(root_, /*allow_outside=*/true).fault(root_, name), "");
  }
  EXPECT_TRUE(fault("Meow/ring.wav").starts_with("bad path: its links cannot be followed"));
}

TEST_F(DataRootTest, MayItselfBeReachedByALink) {
  fs::create_symlink("data", scratch_ / "link");
  DataRoot root(scratch_ / "link", /*allow_outside=*/false);
  EXPECT_EQ(root.fault(scratch_ / "link", "Meow/inside.wav"), "");
  EXPECT_EQ(root.fault(scratch_ / "link", "Bark/a.wav"), "");
  EXPECT_TRUE(root.fault(scratch_ / "link", "Noise/s.wav").starts_with("outside"));
}

TEST_F(DataRootTest, IsAskedByEveryLayout) {
  const auto outside = [](const Manifest& manifest) {
    return std::count_if(manifest.problems.begin(), manifest.problems.end(), [](const Problem& p) {
      return p.reason.starts_with("outside: a symbolic link");
    });
  };
  EXPECT_EQ(outside(read_manifest(root_, {})), 4);  // two files, two linked folders of one each
  EXPECT_EQ(outside(read_manifest(root_, {.allow_outside = true})), 0);
  write_text(root_ / "t.csv", "path,label\nBark/a.wav,Bark\nNoise/s.wav,Meow\n");
  EXPECT_EQ(outside(read_manifest(root_ / "t.csv", {})), 1);

  const fs::path kaggle = scratch_ / "kaggle";
  write_text(kaggle / "train.csv", "fname,label\na.wav,Oboe\n");
  write_text(kaggle / "sample_submission.csv", "fname,label\ns.wav,Oboe\n");
  fs::create_directories(kaggle / "audio_train");
  fs::create_symlink("../secret", kaggle / "audio_test");
  EXPECT_EQ(outside(read_manifest(kaggle, {})), 1);
  EXPECT_EQ(read_manifest(kaggle, {.allow_outside = true}).rows.size(), 2u);
}

}  // namespace
}  // namespace earshot
