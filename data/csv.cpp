#include "data/csv.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "engine/error.h"

namespace earshot {
namespace {

std::string_view strip(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

class Parser {
 public:
  Parser(const fs::path& path, std::string_view text) : path_(path), text_(text) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  bool next(CsvRow& row) {
    skip_empty_lines();
    if (done()) return false;
    row = {line_, {}};
    do {
      row.fields.push_back(field());
    } while (take(','));
    end_of_line();
    return true;
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  bool at_line_end() const { return !done() && (text_[at_] == '\n' || text_[at_] == '\r'); }

  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void end_of_line() {
    if (done()) return;
    const bool carriage = take('\r');
    if (!take('\n') && !carriage) {
      fail("{}, line {}: text follows a closing quote; double the quotes inside a field",
           path_.string(), line_);
    }
    ++line_;
  }

  void skip_empty_lines() {
    while (at_line_end()) end_of_line();
  }

  std::string field() {
    const size_t start = at_;
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    if (take('"')) return quoted();
    at_ = std::min(text_.find_first_of(",\r\n", start), text_.size());
    return std::string(strip(text_.substr(start, at_ - start)));
  }

  std::string quoted() {
    const int64_t opened = line_;
    std::string value;
    for (;;) {
      if (done()) {
        fail("{}, line {}: a quote is opened here and never closed", path_.string(), opened);
      }
      const char c = text_[at_++];
      if (c == '"' && !take('"')) break;
      if (c == '\n') ++line_;
      value += c;
    }
    while (!done() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    return value;
  }

  const fs::path& path_;
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

CsvTable::CsvTable(const fs::path& path) : path_(path) {
  const std::string text = read_file(path);
  Parser parser(path, text);
  CsvRow row;
  if (!parser.next(row)) fail("{} is empty; its first line must name the columns", path.string());
  for (std::string& name : row.fields) {
    if (find(name) >= 0) fail("{} names the column '{}' twice", path.string(), name);
    columns_.push_back(std::move(name));
  }
  while (parser.next(row)) rows_.push_back(std::move(row));
}

int CsvTable::find(std::string_view column) const {
  const auto found = std::find(columns_.begin(), columns_.end(), column);
  return found == columns_.end() ? -1 : static_cast<int>(found - columns_.begin());
}

int CsvTable::require(std::string_view column) const {
  const int found = find(column);
  if (found < 0) {
    fail("{} has no column '{}' in its first line, which names: {}", path_.string(), column,
         fmt::join(columns_, ", "));
  }
  return found;
}

std::string csv_field(std::string_view text) {
  const bool plain =
      text.find_first_of(",\"\r\n") == std::string_view::npos && strip(text).size() == text.size();
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace earshot
