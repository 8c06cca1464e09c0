// From recordings to a clip store.
#pragma once

#include <string>
#include <vector>

#include "data/features.h"
#include "data/store.h"

namespace earshot {

class Backend;

struct PrepareOptions {
  fs::path source = {};  // see read_manifest
  fs::path out = {};     // the store's folder; made where it is missing
  FeatureSettings features = {};
  double max_seconds = 60.0;  // a longer training clip is left out
  int jobs = 0;               // threads; 0: one per core
  bool strict = false;        // the first problem ends the work
  bool force = false;         // build even where nothing changed
  bool allow_outside = false;
  Backend* backend = nullptr;  // computes the log-mels, batch by batch; null: the threads do
};

struct PrepareReport {
  bool up_to_date = false;  // the store was already there, nothing was touched
  std::string layout;
  double seconds = 0.0;  // spent on the clips
  StoreIndex index;
};

/// Throws Error when no store can be made of the source; the old store is then still in place.
PrepareReport prepare(const PrepareOptions& options);

}  // namespace earshot
