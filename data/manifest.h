// What a data set holds, before any audio is read: one row per clip, from whatever layout it has.
#pragma once

#include <string>
#include <vector>

#include "data/store.h"

namespace earshot {

struct ManifestRow {
  fs::path file;
  int64_t line = 0;   // of the table that names it, 0 for a folder of files
  std::string label;  // empty: a test clip that nobody scores
  Clip clip;          // name, split, usage, group, source, license, manually_verified are set
};

struct Manifest {
  std::string layout;                // "corpus", "table", "folders", "FSDKaggle2018 (Zenodo)", ...
  std::vector<ManifestRow> rows;     // in the order of the table, or sorted by name
  std::vector<std::string> classes;  // fixed by the layout; empty: the training clips' labels
  std::vector<Problem> problems;     // rows that are no clips
  std::vector<fs::path> tables;      // the files this was read from
  bool as_published = false;         // duplicates are listed but stay in
};

struct ManifestOptions {
  bool allow_outside = false;  // let names and links lead out of the data set's folder
};

/// Finds out the layout of `source` and reads it: a CSV file; a folder with corpus.csv;
/// FSDKaggle2018 as published on Zenodo or Kaggle; a folder per class, maybe below train/ and
/// test/. Throws Error when it is none of these or its table cannot be understood.
Manifest read_manifest(const fs::path& source, const ManifestOptions& options);

// The layouts, one by one.

/// `path,label[,split][,group][,source][,license]` in any order; paths are relative to the
/// table's folder. Rows that cannot be used become problems.
Manifest read_csv_manifest(const fs::path& table, const ManifestOptions& options);
/// <class>/*.wav, or train/<class>/*.wav and test/<class>/*.wav, searched recursively.
Manifest read_folder_manifest(const fs::path& root, const ManifestOptions& options);
bool is_fsd_zenodo(const fs::path& root);
Manifest read_fsd_zenodo(const fs::path& root, const ManifestOptions& options);
bool is_fsd_kaggle(const fs::path& root);
Manifest read_fsd_kaggle(const fs::path& root, const ManifestOptions& options);

}  // namespace earshot
