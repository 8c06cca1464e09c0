// Which clips of a manifest come into the store, and what is to be said about the others.
#pragma once

#include <string>
#include <vector>

#include "data/manifest.h"
#include "data/store.h"

namespace earshot {

/// Collects clips in the manifest's order. Where `strict`, the first problem throws Error.
class ClipList {
 public:
  ClipList(const Manifest& manifest, bool strict);

  void keep(const ManifestRow& row, Clip clip);
  void leave_out(const ManifestRow& row, const std::string& reason);
  /// Lists the clip, which stays in.
  void mention(const ManifestRow& row, const std::string& reason);

  /// Looks for duplicates, numbers the classes, and gives clips, classes and problems. Of two
  /// clips with the same content the later training clip is left out, and a training clip that is
  /// also a test clip; in a set as published they stay. A test clip whose label no training clip
  /// has is left out. Throws Error when fewer than two classes can be trained.
  StoreIndex finish();

 private:
  struct Kept {
    const ManifestRow* row;
    Clip clip;
    bool out = false;
  };
  void add_problem(const Problem& problem);
  void find_duplicates();
  std::vector<std::string> find_classes() const;
  void number_labels(const std::vector<std::string>& classes);

  const Manifest& manifest_;
  bool strict_;
  std::vector<Kept> kept_;
  std::vector<Problem> problems_;
};

}  // namespace earshot
