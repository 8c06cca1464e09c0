#include "data/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/classes.h"
#include "tests/data/sound.h"
#include "tests/scratch.h"

namespace earshot {
namespace {

const ManifestRow& row_of(const Manifest& manifest, const std::string& name) {
  const auto found = std::find_if(manifest.rows.begin(), manifest.rows.end(),
                                  [&](const ManifestRow& row) { return row.clip.name == name; });
  if (found == manifest.rows.end()) throw std::runtime_error("no row " + name);
  return *found;
}

std::string reason_of(const Manifest& manifest, int64_t line) {
  for (const Problem& problem : manifest.problems) {
    if (problem.row == line) return problem.reason;
  }
  return "no problem";
}

TEST(CsvManifest, TakesColumnsInAnyOrder) {
  const Scratch scratch;
  write_text(scratch / "t.csv",
             "license,label,split,path,source,group\n"
             "CC0,Bark,test,\"a, b.wav\",a dog,g1\n"
             "MIT,Meow,,sub/c.wav,a cat,g2\n");
  const Manifest manifest = read_manifest(scratch / "t.csv", {});
  ASSERT_EQ(manifest.rows.size(), 2u);
  const ManifestRow& row = manifest.rows[0];
  EXPECT_EQ(row.file, scratch / "a, b.wav");
  EXPECT_EQ(row.label, "Bark");
  EXPECT_EQ(row.clip.split, Split::kTest);
  EXPECT_EQ(row.clip.group + row.clip.source + row.clip.license, "g1a dogCC0");
  EXPECT_EQ(manifest.rows[1].clip.split, Split::kTrain);
  EXPECT_EQ(manifest.rows[1].line, 3);
}

TEST(CsvManifest, ListsRowsThatAreNoClips) {
  const Scratch scratch;
  write_text(scratch / "corpus.csv",
             "path,label,split\n"
             "a.wav,Bark,train\n"
             "b.wav,Bark\n"
             "c.wav,,train\n"
             "d.wav,Bark,validation\n"
             "../e.wav,Bark,train\n"
             "x/../../f.wav,Bark,train\n"
             "/etc/passwd,Bark,train\n"
             "\xff.wav,Bark,train\n"
             ",Bark,train\n"
             "g.wav,,test\n"
             "h.wav,\"Ba\nrk\",train\n");
  const Manifest manifest = read_manifest(scratch.path(), {});
  EXPECT_EQ(manifest.layout, "corpus");
  EXPECT_EQ(manifest.rows.size(), 2u);
  EXPECT_EQ(row_of(manifest, "g.wav").label, "");
  EXPECT_TRUE(reason_of(manifest, 3).starts_with("bad row"));
  EXPECT_TRUE(reason_of(manifest, 4).starts_with("no label"));
  EXPECT_TRUE(reason_of(manifest, 5).starts_with("unknown split 'validation'"));
  for (const int line : {6, 7, 8}) EXPECT_TRUE(reason_of(manifest, line).starts_with("outside"));
  for (const int line : {9, 10}) EXPECT_TRUE(reason_of(manifest, line).starts_with("bad path"));
  EXPECT_TRUE(reason_of(manifest, 12).starts_with("bad label"));
  EXPECT_EQ(manifest.problems.size(), 9u);
}

TEST(CsvManifest, MayLeaveItsFolderWhereAllowed) {
  const Scratch scratch;
  write_text(scratch / "t.csv", "path,label\n../a.wav,Bark\n/b.wav,Meow\n");
  const Manifest manifest = read_manifest(scratch / "t.csv", {.allow_outside = true});
  ASSERT_EQ(manifest.rows.size(), 2u);
  EXPECT_EQ(manifest.rows[1].file, "/b.wav");
}

TEST(FolderManifest, TakesAFolderPerClass) {
  const Scratch scratch;
  for (const char* name : {"Meow/b.wav", "Meow/deep/a.FLAC", "Bark/c.mp3", "Bark/notes.txt",
                           "Bark/.hidden.wav", ".git/x.wav", "readme.md"}) {
    write_text(scratch / name, "");
  }
  const Manifest manifest = read_manifest(scratch.path(), {});
  EXPECT_EQ(manifest.layout, "folders");
  ASSERT_EQ(manifest.rows.size(), 3u);
  EXPECT_EQ(manifest.rows[0].clip.name, "Bark/c.mp3");
  EXPECT_EQ(manifest.rows[1].clip.name, "Meow/b.wav");
  EXPECT_EQ(manifest.rows[2].label, "Meow");
  EXPECT_EQ(manifest.rows[2].clip.split, Split::kTrain);
}

TEST(FolderManifest, TakesTrainAndTest) {
  const Scratch scratch;
  for (const char* name : {"train/Bark/a.wav", "train/Meow/b.wav", "test/Bark/c.wav"}) {
    write_text(scratch / name, "");
  }
  const Manifest manifest = read_manifest(scratch.path(), {});
  ASSERT_EQ(manifest.rows.size(), 3u);
  EXPECT_EQ(row_of(manifest, "test/Bark/c.wav").clip.split, Split::kTest);
  EXPECT_EQ(row_of(manifest, "test/Bark/c.wav").label, "Bark");
  EXPECT_EQ(row_of(manifest, "train/Meow/b.wav").clip.split, Split::kTrain);
}

TEST(ZenodoManifest, ReadsBothTables) {
  const Scratch scratch;
  write_text(scratch / "FSDKaggle2018.meta/train_post_competition.csv",
             "fname,label,manually_verified,freesound_id,license\n"
             "00044347.wav,Hi-hat,0,28739,Attribution\n"
             "001ca53d.wav,Saxophone,1,358827,Attribution\n"
             "00000000.wav,Theremin,1,1,Attribution\n");
  write_text(scratch / "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv",
             "fname,label,usage,freesound_id,license\n"
             "00326aa9.wav,Oboe,Private,355125,Creative Commons 0\n"
             "0038a046.wav,Bass_drum,Public,90621,Attribution\n");
  const Manifest manifest = read_manifest(scratch.path(), {});
  EXPECT_EQ(manifest.classes.size(), 41u);
  EXPECT_TRUE(manifest.as_published);
  ASSERT_EQ(manifest.rows.size(), 4u);
  const ManifestRow& row = manifest.rows[0];
  EXPECT_EQ(row.file, scratch / "FSDKaggle2018.audio_train/00044347.wav");
  EXPECT_FALSE(row.clip.manually_verified);
  EXPECT_TRUE(manifest.rows[1].clip.manually_verified);
  EXPECT_EQ(row.clip.group, "28739");
  EXPECT_EQ(row_of(manifest, "00326aa9.wav").clip.usage, Usage::kPrivate);
  EXPECT_EQ(row_of(manifest, "0038a046.wav").clip.usage, Usage::kPublic);
  EXPECT_EQ(row_of(manifest, "0038a046.wav").file,
            scratch / "FSDKaggle2018.audio_test/0038a046.wav");
  EXPECT_TRUE(reason_of(manifest, 4).starts_with("unknown label 'Theremin'"));
}

class KaggleManifest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(scratch_ / "audio_train");
    write_text(scratch_ / "train.csv", "fname,label,manually_verified\na.wav,Hi-hat,0\n");
    write_text(scratch_ / "sample_submission.csv",
               "fname,label\n"
               "0b0427e2.wav,Laughter Hi-Hat Flute\n"
               "t1.wav,Laughter Hi-Hat Flute\n"
               "t2.wav,Laughter Hi-Hat Kazoo\n");
  }
  Scratch scratch_;
};

TEST_F(KaggleManifest, TakesTestClipsFromTheSampleSubmission) {
  const Manifest manifest = read_manifest(scratch_.path(), {});
  ASSERT_EQ(manifest.rows.size(), 4u);
  EXPECT_EQ(manifest.rows[0].file, scratch_ / "audio_train/a.wav");
  const ManifestRow& row = row_of(manifest, "0b0427e2.wav");
  EXPECT_EQ(row.file, scratch_ / "audio_test/0b0427e2.wav");
  EXPECT_EQ(row.label, "");
  EXPECT_EQ(row.clip.usage, Usage::kIgnored);
  ASSERT_EQ(manifest.problems.size(), 1u) << "Hi-Hat is a spelling of Hi-hat";
  EXPECT_TRUE(contains(manifest.problems[0].reason, "'Kazoo'"));
  EXPECT_FALSE(manifest.problems[0].left_out);
}

TEST_F(KaggleManifest, TakesTruthWhereItIsThere) {
  write_text(scratch_ / "test_post_competition.csv",
             "fname,label,usage,freesound_id,license\n"
             "0b0427e2.wav,None,Ignored,,\n"
             "t1.wav,Flute,Public,7,Attribution\n");
  const Manifest manifest = read_manifest(scratch_.path(), {});
  ASSERT_EQ(manifest.rows.size(), 4u);
  EXPECT_EQ(row_of(manifest, "0b0427e2.wav").label, "");
  EXPECT_EQ(row_of(manifest, "0b0427e2.wav").clip.usage, Usage::kIgnored);
  EXPECT_EQ(row_of(manifest, "t1.wav").label, "Flute");
  EXPECT_EQ(row_of(manifest, "t1.wav").clip.usage, Usage::kPublic);
  EXPECT_EQ(row_of(manifest, "t2.wav").clip.usage, Usage::kIgnored);
}

TEST(Manifest, SaysWhatItCannotRead) {
  const Scratch scratch;
  const auto sentence = [&](const fs::path& path) {
    return error_of([&] { read_manifest(path, {}); });
  };
  EXPECT_TRUE(contains(sentence(scratch / "missing"), "there is no file or folder"));
  EXPECT_TRUE(contains(sentence(scratch.path()), "holds neither corpus.csv"));
  write_text(scratch / "a.wav", "");
  EXPECT_TRUE(contains(sentence(scratch / "a.wav"), "is an audio file"));
  write_text(scratch / "t.csv", "path,class\n");
  EXPECT_TRUE(contains(sentence(scratch / "t.csv"), "no column 'label'"));
  fs::create_directories(scratch / "FSDKaggle2018.meta");
  EXPECT_TRUE(contains(sentence(scratch.path()), "train_post_competition.csv"));
}

TEST(FsdClasses, AreSortedAndFoundInAnyCase) {
  EXPECT_TRUE(std::is_sorted(kFsdClasses.begin(), kFsdClasses.end()));
  EXPECT_EQ(fsd_class("Hi-Hat"), "Hi-hat");
  EXPECT_EQ(fsd_class("Hi-hats"), "");
}

}  // namespace
}  // namespace earshot
