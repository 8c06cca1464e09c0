#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>

#include "data/csv.h"
#include "data/data_root.h"
#include "data/manifest.h"
#include "engine/error.h"

namespace earshot {
namespace {

/// Where each column stands in the table, -1 for one it lacks.
struct Columns {
  int path, label, split, group, source, license;

  explicit Columns(const CsvTable& table)
      : path(table.require("path")),
        label(table.require("label")),
        split(table.find("split")),
        group(table.find("group")),
        source(table.find("source")),
        license(table.find("license")) {}
};

void warn_of_unused(const CsvTable& table) {
  constexpr std::array kKnown = {"path", "label", "split", "group", "source", "license"};
  for (const std::string& name : table.columns()) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
      spdlog::warn("{}: the column '{}' is not used", table.path().string(), name);
    }
  }
}

std::string field(const CsvRow& row, int column) {
  return column < 0 ? std::string() : row.fields[column];
}

/// Fills in `to`; returns why the row is no clip, empty when it is one.
std::string read_row(const CsvRow& row, const Columns& columns, size_t width,
                     const fs::path& folder, DataRoot& root, ManifestRow& to) {
  to.line = row.line;
  if (row.fields.size() != width) {
    return fmt::format("bad row: it has {} fields, the header {}", row.fields.size(), width);
  }
  to.clip.name = field(row, columns.path);
  to.label = field(row, columns.label);
  to.clip.group = field(row, columns.group);
  to.clip.source = field(row, columns.source);
  to.clip.license = field(row, columns.license);
  const std::string split = field(row, columns.split);
  if (split == "test") {
    to.clip.split = Split::kTest;
  } else if (!split.empty() && split != "train") {
    return fmt::format("unknown split '{}': it must be train or test", split);
  }
  if (to.label.empty() && to.clip.split == Split::kTrain) {
    return "no label: a training clip needs one";
  }
  if (!is_clean_text(to.label)) return "bad label: it is not UTF-8 or holds control characters";
  return root.fault(folder, to.clip.name);
}

}  // namespace

Manifest read_csv_manifest(const fs::path& table_path, const ManifestOptions& options) {
  const CsvTable table(table_path);
  const Columns columns(table);
  const fs::path folder = table_path.parent_path();
  DataRoot root(folder, options.allow_outside);
  warn_of_unused(table);
  Manifest manifest;
  manifest.layout = "table";
  manifest.tables = {table_path};
  for (const CsvRow& row : table.rows()) {
    ManifestRow to;
    const std::string fault = read_row(row, columns, table.columns().size(), folder, root, to);
    if (!fault.empty()) {
      const std::string name = to.clip.name.empty() ? row.fields.front() : to.clip.name;
      manifest.problems.push_back({name, row.line, fault, /*left_out=*/true});
      continue;
    }
    to.file = folder / to.clip.name;
    manifest.rows.push_back(std::move(to));
  }
  return manifest;
}

}  // namespace earshot
