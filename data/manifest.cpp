#include "data/manifest.h"

#include "data/audio_file.h"
#include "engine/error.h"

namespace earshot {

Manifest read_manifest(const fs::path& source, const ManifestOptions& options) {
  std::error_code error;
  if (!fs::exists(source, error)) fail("there is no file or folder {}", source.string());
  if (!fs::is_directory(source)) {
    if (has_audio_name(source)) {
      fail("{} is an audio file; prepare wants a folder of them or a table (CSV)", source.string());
    }
    return read_csv_manifest(source, options);
  }
  if (fs::exists(source / "corpus.csv")) {
    Manifest manifest = read_csv_manifest(source / "corpus.csv", options);
    manifest.layout = "corpus";
    return manifest;
  }
  if (is_fsd_zenodo(source)) return read_fsd_zenodo(source, options);
  if (is_fsd_kaggle(source)) return read_fsd_kaggle(source, options);
  return read_folder_manifest(source, options);
}

}  // namespace earshot
