#include "data/clip_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "engine/error.h"

namespace earshot {
namespace {

/// The clip that came first with each content.
using FirstOf = std::unordered_map<uint64_t, const std::string*>;

}  // namespace

ClipList::ClipList(const Manifest& manifest, bool strict) : manifest_(manifest), strict_(strict) {
  for (const Problem& problem : manifest.problems) add_problem(problem);
}

void ClipList::add_problem(const Problem& problem) {
  if (strict_) {
    const std::string where = problem.row > 0 ? fmt::format(" (row {})", problem.row) : "";
    fail("{}{}: {}; without --strict it is listed and the work goes on", problem.file, where,
         problem.reason);
  }
  problems_.push_back(problem);
}

void ClipList::keep(const ManifestRow& row, Clip clip) { kept_.push_back({&row, std::move(clip)}); }

void ClipList::leave_out(const ManifestRow& row, const std::string& reason) {
  add_problem({row.clip.name, row.line, reason, /*left_out=*/true});
}

void ClipList::mention(const ManifestRow& row, const std::string& reason) {
  add_problem({row.clip.name, row.line, reason, /*left_out=*/false});
}

void ClipList::find_duplicates() {
  FirstOf tests;
  FirstOf all;
  for (const Kept& kept : kept_) {
    if (kept.clip.split == Split::kTest) tests.try_emplace(kept.clip.hash, &kept.clip.name);
  }
  for (Kept& kept : kept_) {
    if (kept.clip.samples == 0) continue;
    const bool train = kept.clip.split == Split::kTrain;
    const auto test = tests.find(kept.clip.hash);
    std::string reason;
    if (train && test != tests.end()) {
      reason = fmt::format("duplicate: the test clip '{}' has the same content", *test->second);
    } else if (const auto [first, fresh] = all.try_emplace(kept.clip.hash, &kept.clip.name);
               !fresh) {
      reason = fmt::format("duplicate: '{}' has the same content", *first->second);
    } else {
      continue;
    }
    kept.out = train && !manifest_.as_published;
    if (kept.out) {
      leave_out(*kept.row, reason);
    } else {
      mention(*kept.row, reason);
    }
  }
}

std::vector<std::string> ClipList::find_classes() const {
  if (!manifest_.classes.empty()) return manifest_.classes;
  std::set<std::string> labels;
  for (const Kept& kept : kept_) {
    if (!kept.out && kept.clip.split == Split::kTrain) labels.insert(kept.row->label);
  }
  return {labels.begin(), labels.end()};
}

void ClipList::number_labels(const std::vector<std::string>& classes) {
  for (Kept& kept : kept_) {
    if (kept.row->label.empty()) continue;
    const auto found = std::lower_bound(classes.begin(), classes.end(), kept.row->label);
    if (found != classes.end() && *found == kept.row->label) {
      kept.clip.label = static_cast<int>(found - classes.begin());
    } else if (!kept.out) {
      kept.out = true;
      leave_out(*kept.row,
                fmt::format("unknown label '{}': no training clip has it", kept.row->label));
    }
  }
}

StoreIndex ClipList::finish() {
  find_duplicates();
  StoreIndex index;
  index.classes = find_classes();
  number_labels(index.classes);
  std::set<int> trained;
  for (Kept& kept : kept_) {
    if (kept.out) continue;
    if (kept.clip.split == Split::kTrain) trained.insert(kept.clip.label);
    index.clips.push_back(std::move(kept.clip));
  }
  if (trained.size() < 2) {
    std::string why = trained.empty() ? "no training clip is left"
                                      : fmt::format("all training clips are of one class, '{}'",
                                                    index.classes[*trained.begin()]);
    if (!problems_.empty()) {
      why += fmt::format(", and {} problems were found, the first with {}: {}", problems_.size(),
                         problems_.front().file, problems_.front().reason);
    }
    fail("{}; a tagger needs clips of at least two classes", why);
  }
  index.problems = std::move(problems_);
  return index;
}

}  // namespace earshot
