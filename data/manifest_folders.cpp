#include <algorithm>

#include "data/audio_file.h"
#include "data/data_root.h"
#include "data/manifest.h"
#include "engine/error.h"

namespace earshot {
namespace {

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> visible_folders(const fs::path& root) {
  std::vector<fs::path> folders;
  std::error_code ignored;  // a link that cannot be followed is no folder
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.is_directory(ignored) && !is_hidden(entry.path())) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// Audio files below `folder`; linked files count, linked folders do not (they may form a ring).
std::vector<fs::path> audio_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!is_hidden(entry.path()) && has_audio_name(entry.path()) && !entry.is_directory(ignored)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

void add_classes(const fs::path& root, const fs::path& part, Split split, DataRoot& inside,
                 Manifest& manifest) {
  for (const fs::path& folder : visible_folders(part)) {
    for (const fs::path& file : audio_files(folder)) {
      ManifestRow row;
      row.file = file;
      row.label = folder.filename().string();
      row.clip.name = file.lexically_relative(root).string();
      row.clip.split = split;
      const std::string fault = inside.fault(root, row.clip.name);
      if (fault.empty()) {
        manifest.rows.push_back(std::move(row));
      } else {
        manifest.problems.push_back({row.clip.name, 0, fault, /*left_out=*/true});
      }
    }
  }
}

/// train/ with or without test/, and nothing beside them.
bool has_split_folders(const std::vector<fs::path>& folders) {
  const auto is_split = [](const fs::path& folder) {
    return folder.filename() == "train" || folder.filename() == "test";
  };
  return !folders.empty() && folders.back().filename() == "train" &&
         std::all_of(folders.begin(), folders.end(), is_split);
}

}  // namespace

Manifest read_folder_manifest(const fs::path& root, const ManifestOptions& options) {
  Manifest manifest;
  DataRoot inside(root, options.allow_outside);
  manifest.layout = "folders";
  const std::vector<fs::path> folders = visible_folders(root);
  if (has_split_folders(folders)) {
    add_classes(root, root / "train", Split::kTrain, inside, manifest);
    if (folders.size() == 2) add_classes(root, root / "test", Split::kTest, inside, manifest);
  } else {
    add_classes(root, root, Split::kTrain, inside, manifest);
  }
  if (manifest.rows.empty() && manifest.problems.empty()) {
    fail("{} holds neither corpus.csv, nor FSDKaggle2018, nor a folder of audio files per class",
         root.string());
  }
  return manifest;
}

}  // namespace earshot
