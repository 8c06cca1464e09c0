// Devices that compute as they should, and devices that do not.
#include "models/lockstep.h"

#include <cstring>

#include "tests/engine/taped_backend.h"
#include "tests/models/train_fixture.h"

namespace earshot {
namespace {

class LockstepTest : public TrainTest {
 protected:
  std::string error(Backend& device, const std::string& name = "run") {
    Lockstep lockstep(*cpu, *store, config, /*steps=*/7);
    const std::string error =
        error_of([&] { run(device, name, /*resume=*/false, /*stopper=*/nullptr, &lockstep); });
    furthest = lockstep.furthest();
    return error;
  }
  LockstepDistance furthest;
};

TEST_F(LockstepTest, RecordedStepsAndLateReportsAgree) {
  TapedBackend taped(/*late=*/2);
  EXPECT_EQ(error(taped), "no error");
}

// Channels enough for blocks of our own, which the reference does without.
TEST_F(LockstepTest, OurKernelsAgreeWithTheLibrary) {
  config.width_audio = 1;
  config.width_spec = 0.5;
  for (PhaseSettings* phase : {&config.audio, &config.spec, &config.comb}) phase->epochs = 1;
  for (const ModelKind kind : {ModelKind::kAudio, ModelKind::kSpec}) {
    kinds = {kind};
    EXPECT_EQ(error(*cpu, to_string(kind)), "no error");
    EXPECT_GT(furthest.outputs, 0) << "the library on both sides";
    EXPECT_LE(furthest.outputs, 2e-5);
  }
}

TEST_F(LockstepTest, BatchesOfOneAreLeftOut) {
  config.batch = 7;  // 15 clips
  kinds = {ModelKind::kSpec};
  EXPECT_EQ(error(*cpu), "no error");
}

TEST_F(LockstepTest, AStepThatIsNotFiniteIsTheTrainers) {
  make_store(folder / "bad", /*bad_clip=*/7);
  store = std::make_unique<Store>(folder / "bad");
  kinds = {ModelKind::kSpec};
  EXPECT_TRUE(contains(error(*cpu), "first NaN in tensor mel of layer input"));
  on_not_finite = OnNotFinite::kSkip;
  EXPECT_EQ(error(*cpu, "skipped"), "no error");
}

TEST_F(LockstepTest, ComparingChangesNothing) {
  kinds = {ModelKind::kSpec};
  run(*cpu, "alone");
  EXPECT_EQ(error(*cpu, "compared"), "no error");
  expect_same("alone", "compared");
}

TEST_F(LockstepTest, OnlyFp32IsHeldToItsBounds) {
  config.precision = Precision::kBf16;
  const std::string refused = error_of([&] { Lockstep(*cpu, *store, config, 7); });
  EXPECT_TRUE(contains(refused, "set precision=fp32, not bf16")) << refused;
}

enum class Fault { kNorm, kWeights, kUpdate, kWinners };

/// Takes the first cell of every window for its winner.
class FirstCellWins : public Convolution {
 public:
  explicit FirstCellWins(std::unique_ptr<Convolution> inner) : inner_(std::move(inner)) {}
  int64_t forward_scratch() const override { return inner_->forward_scratch(); }
  int64_t backward_scratch() const override { return inner_->backward_scratch(); }
  std::string implementation() const override { return inner_->implementation(); }
  void forward(const ConvolutionForward& t) override {
    inner_->forward(t);
    if (t.argmax.data) std::memset(t.argmax.data, 0, static_cast<size_t>(t.argmax.bytes()));
  }
  void backward(const ConvolutionBackward& t) override { inner_->backward(t); }

 private:
  std::unique_ptr<Convolution> inner_;
};

/// Computes one thing wrong.
class Wrong : public TapedBackend {
 public:
  explicit Wrong(Fault fault) : fault_(fault) {}
  std::unique_ptr<Convolution> convolution(const ConvolutionShape& shape, const ConvolutionUse& use,
                                           const std::string& layer) override {
    auto right = TapedBackend::convolution(shape, use, layer);
    if (fault_ != Fault::kWinners) return right;
    return std::make_unique<FirstCellWins>(std::move(right));
  }
  void batch_norm_train(const BatchNormForward& t) override {
    TapedBackend::batch_norm_train(t);
    if (fault_ == Fault::kNorm && contains(t.y.name, "block2")) scale(t.y);
  }
  void dense_backward(const DenseBackward& t) override {
    TapedBackend::dense_backward(t);
    if (fault_ == Fault::kWeights) scale(t.dweight);
  }
  void update(const Update& t) override {
    TapedBackend::update(t);
    if (fault_ == Fault::kUpdate) scale(t.values);
  }

 private:
  static void scale(const Tensor& t) {
    for (int64_t i = 0; i < t.shape.count(); ++i) t.f32()[i] *= 1.5f;
  }
  Fault fault_;
};

TEST_F(LockstepTest, TheFirstWrongTensorIsNamed) {
  kinds = {ModelKind::kAudio};
  const std::pair<Fault, std::string> faults[] = {
      {Fault::kNorm, "block2.norm.y of layer block2.norm is off by 0.5 of its norm"},
      {Fault::kWeights, "gradient of softmax.weight is off by 0.5 of its norm"},
      {Fault::kUpdate, "update of all parameters is off by "},
      {Fault::kWinners, "block1.conv2.argmax has other winners than cpu's in 0."}};
  for (const auto& [fault, words] : faults) {
    Wrong device(fault);
    const std::string sentence = error(device, "run " + std::to_string(int(fault)));
    EXPECT_TRUE(contains(sentence, "lockstep: step 1 of cnn-audio: " + words)) << sentence;
  }
}

}  // namespace
}  // namespace earshot
