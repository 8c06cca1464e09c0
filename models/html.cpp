#include "models/html.h"

#include <fmt/format.h>

#include <cstdint>

namespace earshot {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of the well-formed character at the start of `text` (Unicode 15, table 3-7), 0 for none.
size_t character_length(std::string_view text) {
  const auto byte = [&](size_t i) -> uint8_t { return i < text.size() ? text[i] : 0; };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool overlong = first == 0xE0 && second < 0xA0;
    const bool surrogate = first == 0xED && second > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool overlong = first == 0xF0 && second < 0x90;
    const bool beyond = first == 0xF4 && second > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

size_t count_characters(std::string_view clean) {
  size_t count = 0;
  for (unsigned char c : clean) count += (c & 0xC0) != 0x80;
  return count;
}

// The byte at which character `index` of a clean text starts.
size_t byte_of(std::string_view clean, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < clean.size(); --index) at += character_length(clean.substr(at));
  return at;
}

}  // namespace

std::string clean_text(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = character_length(text.substr(at));
    const unsigned char c = text[at];
    if (length == 0) {
      clean += kReplacement;
    } else if (c < 0x20 || c == 0x7F || (c == 0xC2 && (text[at + 1] & 0xE0) == 0x80)) {
      clean += ' ';  // the controls below space, delete, and U+0080 to U+009F
    } else {
      clean += text.substr(at, length);
    }
    at += length == 0 ? 1 : length;
  }
  return clean;
}

std::string shortened(std::string_view text, size_t characters) {
  std::string clean = clean_text(text);
  const size_t count = count_characters(clean);
  if (count <= characters) return clean;
  const size_t tail = characters / 3, head = characters - tail - 1;
  return clean.substr(0, byte_of(clean, head)) + "…" + clean.substr(byte_of(clean, count - tail));
}

std::string escaped(std::string_view text) {
  std::string safe;
  for (char c : clean_text(text)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string html_label(std::string_view text, size_t characters) {
  constexpr size_t kTooltip = 400;
  const std::string label = shortened(text, characters);
  if (label == clean_text(text)) return escaped(label);
  return fmt::format("<span title=\"{}\">{}</span>", escaped(shortened(text, kTooltip)),
                     escaped(label));
}

}  // namespace earshot
