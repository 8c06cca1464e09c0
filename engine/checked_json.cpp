#include "engine/checked_json.h"

#include <nlohmann/json.hpp>
#include <span>

#include "engine/error.h"
#include "engine/files.h"

namespace earshot {
namespace {

using nlohmann::json;

constexpr const char* kKey = "checksum";

std::string text_of(const json& document, int indent) {
  return document.dump(indent, ' ', /*ensure_ascii=*/false, json::error_handler_t::replace);
}

std::string checksum(const json& document) {
  const std::string text = text_of(document, -1);
  return fmt::format("{:016x}", content_hash(std::as_bytes(std::span(text))));
}

}  // namespace

std::string checked_to_text(const JsonFormat& format, json document) {
  document["format"] = format.name;
  document["version"] = format.version;
  // Once through text, so that the values are those that will be read.
  document = json::parse(text_of(document, -1));
  document[kKey] = checksum(document);
  return text_of(document, 1) + "\n";
}

json checked_from_text(const JsonFormat& format, const std::string& text) {
  json document = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) fail("is damaged: it is no JSON object");
  if (document.value("format", json()) != format.name) fail("is no {}", format.name);
  if (const json version = document.value("version", json()); version != format.version)
    fail("is of version {}, this program reads version {}", version.dump(), format.version);
  const auto found = document.find(kKey);
  if (found == document.end() || !found->is_string()) fail("is damaged: it has no checksum");
  const std::string expected = found->get<std::string>();
  document.erase(found);
  if (checksum(document) != expected) fail("is damaged: its content differs from its checksum");
  return document;
}

}  // namespace earshot
