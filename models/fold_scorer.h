// All networks of one fold over many crops. cnn-comb's trunks are the single networks' blocks,
// taken over and frozen (paper 2.3): where the weights are the same, the blocks run once for both.
#pragma once

#include <functional>
#include <memory>

#include "models/audio_crops.h"
#include "models/scoring.h"

namespace earshot {

class FoldScorer {
 public:
  /// The models of the request that have this fold, over `crops` in `groups`; both must outlive
  /// this.
  FoldScorer(const ScoringRequest& request, int fold, const std::vector<Crop>& crops,
             const std::vector<CropGroup>& groups);

  /// Log-softmax of crops first ... first + n - 1 by a model of the request, [n, classes].
  using Use = std::function<void(size_t model, int64_t first, int64_t n, const float* rows)>;
  /// In the order of the crops for each model. `done(n)`: n more crops are enqueued.
  void run(const ClipSource& source, const Use& use, const std::function<void(int64_t)>& done);

  const ArenaPlan& arena() const { return arena_; }
  /// Counted floating point operations of the audio blocks over all crops.
  double audio_flops() const;

 private:
  struct Model {
    size_t index;  // in the request
    std::unique_ptr<SafetensorsFile> file;
    std::unique_ptr<Tagger> tagger;
    Network top;
    int input_id = -1, rows_id = -1;
    Tensor input;  // [n, 1, 1, features]
    Tensor rows;   // [kept crops, 1, 1, classes]
  };
  /// Where a trunk's features go.
  struct Consumer {
    size_t model;
    int64_t column;
  };
  struct AudioTrunk {
    std::unique_ptr<AudioCrops> crops;
    std::vector<Consumer> consumers;
  };
  struct SpecTrunk {
    Tagger* tagger;
    Network network;
    std::vector<Consumer> consumers;
    int wave_id = -1, mel_id = -1;
    Tensor wave, mel;
  };
  void load(int fold);
  void add_trunks();
  void plan(const std::vector<int64_t>& sizes);
  void bind();
  void run_batch(const CropGroup& group, int64_t first, const ClipSource& source);
  void run_spec(SpecTrunk& trunk, const GatherPlan& plan, const ClipSource& source);
  void hand_on(const Tensor& features, const std::vector<Consumer>& consumers);
  void drain(const Use& use);

  const ScoringRequest& request_;
  const std::vector<Crop>& crops_;
  const std::vector<CropGroup>& groups_;
  std::vector<Model> models_;
  std::vector<AudioTrunk> audio_;
  std::vector<SpecTrunk> spec_;
  ArenaPlan arena_;
  DeviceMemory memory_;
  int64_t kept_ = 0, first_kept_ = 0;  // crops whose rows wait on the device
};

}  // namespace earshot
