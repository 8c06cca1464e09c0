// Which of the paths that a stranger's table or folder holds may be read.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "engine/files.h"

namespace earshot {

/// Whether `text` is valid UTF-8 without control characters, so that it can be stored and shown.
bool is_clean_text(std::string_view text);

/// The folder of a data set, which its paths may leave only where `allow_outside`: neither by
/// their words (absolute, ..) nor through symbolic links below the folder. Links on the way to the
/// folder itself are the user's own. Each folder is resolved once, each file costs one lstat.
/// Hazard: it says what holds now; whoever may write to the folder can change a link afterwards.
class DataRoot {
 public:
  DataRoot(const fs::path& root, bool allow_outside);

  /// Why `folder`/`name`, a path below the root, is not to be read; empty when it may be. A file
  /// that does not exist has no fault.
  std::string fault(const fs::path& folder, const std::string& name);

 private:
  std::string link_fault(const fs::path& path) const;
  const std::string& folder_fault(const fs::path& folder);

  fs::path root_;
  bool allow_outside_;
  fs::path resolved_;                                     // the root without links
  std::unordered_map<std::string, std::string> folders_;  // their link_fault
};

}  // namespace earshot
