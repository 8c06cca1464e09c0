// Comma-separated tables (RFC 4180): quoted fields may hold commas, line ends and doubled quotes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/files.h"

namespace earshot {

struct CsvRow {
  int64_t line = 0;  // of the file, from 1, where the row begins
  std::vector<std::string> fields;
};

/// A table with its header row. Column names and unquoted fields are stripped of spaces around
/// them; empty lines are skipped; a byte order mark is ignored.
class CsvTable {
 public:
  /// Throws Error naming the file and line for an unclosed quote, text after a closing quote, a
  /// repeated column, or no header at all.
  explicit CsvTable(const fs::path& path);

  const fs::path& path() const { return path_; }
  const std::vector<std::string>& columns() const { return columns_; }
  const std::vector<CsvRow>& rows() const { return rows_; }
  /// Index of a column, -1 where the table has none of that name.
  int find(std::string_view column) const;
  /// The same, but Error when there is none.
  int require(std::string_view column) const;

 private:
  fs::path path_;
  std::vector<std::string> columns_;
  std::vector<CsvRow> rows_;
};

/// The field as it stands in a CSV file: in quotes where it needs them.
std::string csv_field(std::string_view text);

}  // namespace earshot
