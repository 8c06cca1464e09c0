// A tagger: the parameters of one network of the paper, and passes (training, inference) over them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/layer.h"
#include "engine/layers.h"
#include "engine/safetensors.h"
#include "models/config.h"
#include "models/networks.h"
#include "models/step_inputs.h"

namespace earshot {

/// Parameters of cnn-audio, cnn-spec or cnn-comb. A single network has one set; cnn-comb has two
/// frozen trunks and the head that joins them (paper 2.3).
class Tagger {
 public:
  /// `trained`: with gradients and moments for the part that this phase trains.
  Tagger(Backend& backend, const Config& config, ModelKind kind, int classes, bool trained);

  ModelKind kind() const { return kind_; }
  int classes() const { return classes_; }
  const Config& config() const { return config_; }
  Backend& backend() const { return backend_; }
  bool has_audio() const { return kind_ != ModelKind::kSpec; }
  bool has_spec() const { return kind_ != ModelKind::kAudio; }

  /// The set that training changes: the whole single network, or the head.
  Parameters& trainable() const;
  /// See Parameters::refresh_factors.
  void refresh_factors();
  /// Draws the initial values of every set, the trunks' too; each set has its own stream.
  void initialise(uint64_t seed);
  /// cnn-comb: takes over a single network's blocks as a trunk (paper 2.3: "transferred").
  void load_trunk(ModelKind trunk, const SafetensorsFile& file);

  /// Everything needed to run: all sets with their prefixes ("audio.", "spec.", "head." in
  /// cnn-comb, none in a single network).
  void load(const SafetensorsFile& file);
  /// Named tensors; spans point into `snapshots`, one per set.
  using Snapshots = std::vector<Parameters::Snapshot>;
  Snapshots snapshot() const;
  void restore(const Snapshots& snapshots);
  std::vector<SafetensorsEntry> tensors(const Snapshots& snapshots) const;

  /// The layers of one pass; declares parameters on first use.
  struct Networks {
    Network audio, spec, top;  // trunks (empty where absent) and the dense layers above
  };
  Networks build();
  NetworkTable table(ModelKind trunk) const;
  /// One block of a trunk, as its row in the table or another row of the same convolutions says,
  /// and the batch norm behind it.
  std::unique_ptr<Layer> block(ModelKind trunk, size_t index, const BlockRow& row);
  std::unique_ptr<Layer> block_norm(ModelKind trunk, size_t index);

 private:
  struct Set {
    std::string prefix;
    std::unique_ptr<Parameters> parameters;
  };
  Parameters& trunk_parameters(ModelKind trunk) const;
  void add_blocks(Network& network, ModelKind trunk);
  BatchNormOptions norm_options() const;
  void add_hidden(Network& network, Parameters& parameters, const std::string& name, int64_t in,
                  int64_t out);

  Backend& backend_;
  Config config_;
  ModelKind kind_;
  int classes_;
  std::vector<Set> sets_;  // single: {all}; cnn-comb: {audio, spec, head}
};

/// One planned pass over a tagger: inputs, layers, loss, in one arena.
class TaggerPass {
 public:
  /// `batches`: every batch size that will run.
  TaggerPass(Tagger& tagger, bool training, std::vector<int64_t> batches,
             BlockForm blocks = block_form());
  TaggerPass(const TaggerPass&) = delete;
  TaggerPass& operator=(const TaggerPass&) = delete;

  const ArenaPlan& arena() const { return arena_; }
  const std::vector<int64_t>& batches() const { return batches_; }
  /// Gives the arena its memory: at least arena().bytes() at `base`.
  void bind(void* base);

  /// Whether the pass wants samples: for an audio trunk, or to extract the log-mel itself.
  bool has_wave() const { return wave_id_ >= 0; }
  Tensor wave(int64_t n) const { return wave_.first(n); }  // [n, 1, t, 1]
  Tensor mel(int64_t n) const { return mel_.first(n); }    // [n, 128, w, 1]; spec, comb
  Tensor targets(int64_t n) const { return inputs_.targets().first(n); }  // [n, 1, 1, classes]
  Tensor loss(int64_t n) const { return loss_.first(n); }                 // [n, 1, 1, 1]
  Tensor log_probabilities(int64_t n) const { return log_p_.first(n); }
  Tensor class_weights() const { return inputs_.class_weights(); }  // [1, 1, 1, classes]
  /// The plan of n examples and the numbers of the step, as upload() left them on the device.
  GatherPlanView plan(int64_t n) const { return inputs_.plan(n); }
  const StepScalars* scalars() const { return inputs_.scalars(); }

  /// Enqueues the one copy that brings a batch to the device.
  void upload(const PassData& data) { inputs_.upload(tagger_.backend(), data); }

  // All from here on is enqueued on the device alone and can be recorded.
  /// Inputs -> logits.
  Tensor forward(int64_t n, const StepInfo& step);
  /// Weighted loss of each example and, in a training pass, the gradient of their mean.
  void loss_of(const Tensor& logits);
  /// Gradients of all trained parameters.
  void backward(int64_t n);

  /// Layers in order, each with its part ("audio.") before its name, for n examples.
  std::vector<LayerWork> work(int64_t n) const;

 private:
  Tagger& tagger_;
  bool training_;
  std::vector<int64_t> batches_;
  Tagger::Networks networks_;
  ArenaPlan arena_;
  StepInputs inputs_;
  int inputs_id_ = -1, wave_id_ = -1, mel_id_ = -1, loss_id_ = -1, dlogits_id_ = -1, log_p_id_ = -1,
      joined_id_ = -1;
  Shape trunk_shape_;  // of the trunk's last output, before it was flattened
  Tensor wave_, mel_, loss_, dlogits_, log_p_, joined_;
};

}  // namespace earshot
