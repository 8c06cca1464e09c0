// NumPy's .npy files (format version 1.0).
#pragma once

#include <cstdint>
#include <span>

#include "engine/files.h"

namespace earshot {

/// Writes a float32 matrix [rows, columns], row after row; the file appears whole or not at all.
void write_npy(const fs::path& path, std::span<const float> values, int64_t rows, int64_t columns);

}  // namespace earshot
