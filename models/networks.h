// The paper's networks as tables: Table 1 (cnn-audio), Table 2 (cnn-spec), section 2.3 (cnn-comb).
#pragma once

#include <cstdint>
#include <vector>

#include "engine/conv_block.h"

namespace earshot {

struct NetworkTable {
  Shape input;                   // n = 1
  std::vector<BlockRow> blocks;  // each followed by batch norm
  int64_t dense;                 // the hidden layer: dense -> ReLU -> batch norm
};

/// Raw wave: [1, 1, 44100 seconds, 1]. seconds is 1, 2 or 3.
NetworkTable audio_table(int seconds);
/// Log-mel: [1, 128, 170 | 300 | 400, 1].
NetworkTable spec_table(int seconds);

/// Every channel count and the dense width times `width`, rounded, at least 1.
NetworkTable scaled(NetworkTable table, double width);

/// Samples of the input and log-mel columns they span before the resize (173, 345, 517).
int64_t window_samples(int seconds);
int64_t native_columns(int seconds);

/// Features after the last block, flattened.
int64_t trunk_features(const NetworkTable& table);

}  // namespace earshot
