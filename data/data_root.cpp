#include "data/data_root.h"

#include <fmt/format.h>

#include <algorithm>

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

DataRoot::DataRoot(const fs::path& root, bool allow_outside)
    : root_(root.empty() ? fs::path(".") : root), allow_outside_(allow_outside) {
  std::error_code error;
  resolved_ = fs::weakly_canonical(root_, error);  // empty on error, and then nothing is inside
}

std::string DataRoot::fault(const fs::path& folder, const std::string& name) {
  if (name.empty()) return "bad path: it is empty";
  if (!is_clean_text(name)) return "bad path: it is not UTF-8 or holds control characters";
  if (allow_outside_) return {};
  const fs::path path(name), normal = path.lexically_normal();
  if (path.is_absolute()) return "outside: the path is absolute (--allow-outside permits it)";
  if (!normal.empty() && *normal.begin() == "..") {
    return "outside: the path leaves the data set's folder (--allow-outside permits it)";
  }
  const fs::path whole = folder / path;
  const std::string& above = folder_fault(whole.parent_path());
  if (!above.empty()) return above;
  std::error_code error;
  return fs::is_symlink(fs::symlink_status(whole, error)) ? link_fault(whole) : std::string();
}

const std::string& DataRoot::folder_fault(const fs::path& folder) {
  const auto [found, added] = folders_.try_emplace(folder.string());
  if (added) found->second = link_fault(folder.empty() ? fs::path(".") : folder);
  return found->second;
}

std::string DataRoot::link_fault(const fs::path& path) const {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(path, error);
  if (error) return fmt::format("bad path: its links cannot be followed ({})", error.message());
  const auto parts =
      std::mismatch(resolved_.begin(), resolved_.end(), target.begin(), target.end());
  if (!resolved_.empty() && parts.first == resolved_.end()) return {};
  return "outside: a symbolic link leads out of the data set's folder (--allow-outside permits it)";
}

}  // namespace earshot
