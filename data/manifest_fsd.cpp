// FSDKaggle2018 as Zenodo and as Kaggle publish it.
#include <algorithm>
#include <map>

#include "data/audio_file.h"
#include "data/classes.h"
#include "data/csv.h"
#include "data/data_root.h"
#include "data/manifest.h"
#include "engine/error.h"

namespace earshot {
namespace {

struct Part {
  fs::path audio;  // folder of the wav files
  Split split;
};

Manifest fsd_manifest(const char* layout) {
  Manifest manifest;
  manifest.layout = layout;
  manifest.classes.assign(kFsdClasses.begin(), kFsdClasses.end());
  manifest.as_published = true;
  return manifest;
}

Usage usage_from(const std::string& text) {
  if (text == "Public") return Usage::kPublic;
  if (text == "Private") return Usage::kPrivate;
  return Usage::kIgnored;
}

std::string optional_field(const CsvTable& table, const CsvRow& row, const char* column) {
  const int i = table.find(column);
  return i < 0 ? std::string() : row.fields[i];
}

void refuse(Manifest& manifest, const std::string& name, int64_t line, std::string reason) {
  manifest.problems.push_back({name, line, std::move(reason), /*left_out=*/true});
}

/// A clip of `table`, which has the columns fname and label and maybe some of manually_verified,
/// usage, freesound_id, license. Label "None" is that of a clip nobody scores.
void add_row(const CsvTable& table, const CsvRow& row, const Part& part, DataRoot& root,
             Manifest& manifest) {
  ManifestRow to;
  const int name_column = table.require("fname");
  const int label_column = table.require("label");
  if (row.fields.size() != table.columns().size()) {
    return refuse(manifest, row.fields.front(), row.line,
                  fmt::format("bad row: it has {} fields, the header {}", row.fields.size(),
                              table.columns().size()));
  }
  to.clip.name = row.fields[name_column];
  std::string fault = root.fault(part.audio, to.clip.name);
  if (!fault.empty()) return refuse(manifest, to.clip.name, row.line, std::move(fault));
  to.line = row.line;
  to.file = part.audio / to.clip.name;
  to.clip.split = part.split;
  const std::string& label = row.fields[label_column];
  if (part.split == Split::kTrain || label != "None") {
    to.label = fsd_class(label);
    if (to.label.empty()) {
      return refuse(manifest, to.clip.name, row.line,
                    fmt::format("unknown label '{}': it is none of the 41 classes", label));
    }
  }
  if (part.split == Split::kTest) to.clip.usage = usage_from(optional_field(table, row, "usage"));
  to.clip.manually_verified = optional_field(table, row, "manually_verified") != "0";
  to.clip.license = optional_field(table, row, "license");
  const std::string id = optional_field(table, row, "freesound_id");
  if (!id.empty()) {
    to.clip.group = id;
    to.clip.source = "freesound.org/s/" + id;
  }
  manifest.rows.push_back(std::move(to));
}

void add_table(const fs::path& path, const Part& part, DataRoot& root, Manifest& manifest) {
  const CsvTable table(path);
  manifest.tables.push_back(path);
  for (const CsvRow& row : table.rows()) add_row(table, row, part, root, manifest);
}

/// The sample submission names every test clip; its labels are three guesses, not the truth. They
/// are only checked: a class it spells in an unknown way would be misspelt in every submission.
void check_submission(const CsvTable& table, Manifest& manifest) {
  const int name_column = table.require("fname");
  const int label_column = table.require("label");
  for (const CsvRow& row : table.rows()) {
    if (row.fields.size() != table.columns().size()) continue;  // listed by add_row
    std::string_view labels = row.fields[label_column];
    while (!labels.empty()) {
      const size_t space = std::min(labels.find(' '), labels.size());
      const std::string_view label = labels.substr(0, space);
      labels.remove_prefix(std::min(space + 1, labels.size()));
      if (!label.empty() && fsd_class(label).empty()) {
        manifest.problems.push_back(
            {row.fields[name_column], row.line,
             fmt::format("unknown label '{}' in the sample submission", label),
             /*left_out=*/false});
      }
    }
  }
}

/// Test clips of the sample submission that `manifest` lacks: predicted, never scored.
void add_unscored(const CsvTable& table, const Part& part, DataRoot& root, Manifest& manifest) {
  std::map<std::string, bool> known;
  for (const ManifestRow& row : manifest.rows) {
    if (row.clip.split == Split::kTest) known[row.clip.name] = true;
  }
  const int name_column = table.require("fname");
  for (const CsvRow& row : table.rows()) {
    if (row.fields.size() != table.columns().size()) {
      refuse(manifest, row.fields.front(), row.line, "bad row: it lacks fields of the header");
      continue;
    }
    ManifestRow to;
    to.clip.name = row.fields[name_column];
    if (known.contains(to.clip.name)) continue;
    std::string fault = root.fault(part.audio, to.clip.name);
    if (!fault.empty()) {
      refuse(manifest, to.clip.name, row.line, std::move(fault));
      continue;
    }
    to.line = row.line;
    to.file = part.audio / to.clip.name;
    to.clip.split = Split::kTest;
    to.clip.usage = Usage::kIgnored;
    manifest.rows.push_back(std::move(to));
  }
}

/// The first of `names` that `root` holds.
fs::path first_existing(const fs::path& root, std::initializer_list<const char*> names) {
  std::error_code error;
  for (const char* name : names) {
    if (fs::exists(root / name, error)) return root / name;
  }
  return {};
}

}  // namespace

bool is_fsd_zenodo(const fs::path& root) {
  return fs::is_directory(root / "FSDKaggle2018.meta") ||
         fs::is_directory(root / "FSDKaggle2018.audio_train");
}

Manifest read_fsd_zenodo(const fs::path& root, const ManifestOptions& options) {
  Manifest manifest = fsd_manifest("FSDKaggle2018 (Zenodo)");
  DataRoot inside(root, options.allow_outside);
  const fs::path meta = root / "FSDKaggle2018.meta";
  add_table(meta / "train_post_competition.csv",
            {root / "FSDKaggle2018.audio_train", Split::kTrain}, inside, manifest);
  add_table(meta / "test_post_competition_scoring_clips.csv",
            {root / "FSDKaggle2018.audio_test", Split::kTest}, inside, manifest);
  return manifest;
}

bool is_fsd_kaggle(const fs::path& root) {
  return fs::is_directory(root / "audio_train") && fs::exists(root / "train.csv");
}

Manifest read_fsd_kaggle(const fs::path& root, const ManifestOptions& options) {
  Manifest manifest = fsd_manifest("FSDKaggle2018 (Kaggle)");
  DataRoot inside(root, options.allow_outside);
  const Part test = {root / "audio_test", Split::kTest};
  add_table(root / "train.csv", {root / "audio_train", Split::kTrain}, inside, manifest);
  const fs::path truth = first_existing(
      root, {"test_post_competition.csv", "test_post_competition_scoring_clips.csv"});
  if (!truth.empty()) add_table(truth, test, inside, manifest);
  const fs::path submission = first_existing(root, {"sample_submission.csv"});
  if (!submission.empty()) {
    const CsvTable table(submission);
    manifest.tables.push_back(submission);
    check_submission(table, manifest);
    add_unscored(table, test, inside, manifest);
  }
  return manifest;
}

}  // namespace earshot
