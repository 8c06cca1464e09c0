#include "data/manifest.h"

#include "data/audio_file.h"
#include "engine/error.h"

namespace earshot {

bool is_clean_text(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x20 || lead == 0x7f) return false;
    const size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return false;
    if (i + length > text.size()) return false;
    for (size_t j = 1; j < length; ++j) {
      if ((static_cast<unsigned char>(text[i + j]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

std::string path_fault(const std::string& name, const ManifestOptions& options) {
  if (name.empty()) return "bad path: it is empty";
  if (!is_clean_text(name)) return "bad path: it is not UTF-8 or holds control characters";
  if (options.allow_outside) return {};
  const fs::path path = fs::path(name).lexically_normal();
  if (path.is_absolute()) return "outside: the path is absolute (--allow-outside permits it)";
  if (!path.empty() && *path.begin() == "..") {
    return "outside: the path leaves the data set's folder (--allow-outside permits it)";
  }
  return {};
}

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
  if (is_fsd_zenodo(source)) return read_fsd_zenodo(source);
  if (is_fsd_kaggle(source)) return read_fsd_kaggle(source);
  return read_folder_manifest(source);
}

}  // namespace earshot
