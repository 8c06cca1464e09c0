// Our own JSON documents (a store's index, a run's settings) with a checksum over their values, so
// that a byte that changed on disk is found and white space is not.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace earshot {

/// What a document is, as its entries "format" and "version" say.
struct JsonFormat {
  const char* name;  // "earshot run"
  int version;
};

/// The document, an object, with its format and a "checksum"; indented, one line end behind it.
/// Bytes that are not UTF-8 are replaced.
std::string checked_to_text(const JsonFormat& format, nlohmann::json document);

/// Throws Error with a half sentence ("is damaged ...", "is of version ...") for what is no JSON
/// object, of another format or version, or one whose checksum is missing or another.
nlohmann::json checked_from_text(const JsonFormat& format, const std::string& text);

}  // namespace earshot
