// Our own JSON documents (a store's index, a run's settings) with a checksum over their values, so
// that a byte that changed on disk is found and white space is not.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace earshot {

/// The document, an object, with an entry "checksum"; indented, one line end behind it. Bytes that
/// are not UTF-8 are replaced.
std::string checked_to_text(nlohmann::json document);

/// Throws Error with a half sentence ("is damaged ...") for what is no JSON object, or one whose
/// checksum is missing or another.
nlohmann::json checked_from_text(const std::string& text);

}  // namespace earshot
