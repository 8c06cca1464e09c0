#include "models/networks.h"

#include <algorithm>
#include <cmath>

#include "data/features.h"

namespace earshot {

// Each block row: {{kernel_h, kernel_w, channels}, ...}, pool_h, pool_w

NetworkTable audio_table(int seconds) {
  return {{1, 1, window_samples(seconds), 1},
          {{{{1, 11, 32}, {1, 11, 32}}, 1, seconds == 1 ? 8 : 16},
           {{{1, 9, 64}, {1, 9, 64}}, 1, 16},
           {{{1, 7, 128}, {1, 7, 128}}, 1, 16},
           {{{1, 5, 256}, {1, 5, 256}}, 1, 16}},
          512};
}

NetworkTable spec_table(int seconds) {
  const int64_t first_pool = seconds == 1 ? 1 : 2;
  const int64_t columns = seconds == 1 ? 170 : seconds == 2 ? 300 : 400;
  return {{1, kMelBands, columns, 1},
          {{{{4, 4, 64}, {4, 4, 64}}, first_pool, first_pool},
           {{{4, 4, 64}}, 2, 2},
           {{{3, 3, 128}}, 2, 4},
           {{{3, 3, 128}}, 2, 2},
           {{{3, 3, 256}}, 2, 2},
           {{{3, 3, 256}}, 2, 2}},
          256};
}

NetworkTable scaled(NetworkTable table, double width) {
  const auto scale = [width](int64_t channels) {
    return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * width));
  };
  for (BlockRow& block : table.blocks)
    for (auto& convolution : block.convolutions) convolution.channels = scale(convolution.channels);
  table.dense = scale(table.dense);
  return table;
}

int64_t window_samples(int seconds) { return int64_t{kSampleRate} * seconds; }

int64_t native_columns(int seconds) { return mel_frames(window_samples(seconds)); }

int64_t trunk_features(const NetworkTable& table) {
  Shape x = table.input;
  for (const BlockRow& block : table.blocks)
    x = {1, x.h / block.pool_h, x.w / block.pool_w, block.convolutions.back().channels};
  return x.features();
}

}  // namespace earshot
