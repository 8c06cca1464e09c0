// The 41 classes of FSDKaggle2018 in index order (ASCII).
#pragma once

#include <array>
#include <string_view>

namespace earshot {

extern const std::array<std::string_view, 41> kFsdClasses;

/// The class spelled as the data set's labels spell it ("Hi-Hat" -> "Hi-hat": the sample
/// submission differs in case); empty for a name that is none of them.
std::string_view fsd_class(std::string_view name);

}  // namespace earshot
