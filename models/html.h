// Text that came from files and people, made fit for a page, a table or a JSON document.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace earshot {

/// Valid UTF-8 on one line: each broken byte becomes U+FFFD, each control character a space.
std::string clean_text(std::string_view text);

/// Clean, and where it is longer than `characters` code points, with its middle left out.
std::string shortened(std::string_view text, size_t characters);

/// Clean, with & < > " ' as entities: for text and for quoted attributes.
std::string escaped(std::string_view text);

/// A short escaped text; where it had to be shortened, the long one is its tooltip.
std::string html_label(std::string_view text, size_t characters);

}  // namespace earshot
