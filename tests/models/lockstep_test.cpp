// Devices that compute as they should, and devices that do not.
#include "models/lockstep.h"

#include "tests/engine/taped_backend.h"
#include "tests/models/train_fixture.h"

namespace earshot {
namespace {

class LockstepTest : public TrainTest {
 protected:
  std::string error(Backend& device, const std::string& name = "run") {
    Lockstep lockstep(*cpu, *store, config, /*steps=*/7);
    return error_of([&] { run(device, name, /*resume=*/false, /*stopper=*/nullptr, &lockstep); });
  }
};

TEST_F(LockstepTest, OurKernelsAgreeWithTheLibrary) {
  EXPECT_EQ(error(*cpu), "no error");
  TapedBackend taped(/*late=*/2);
  EXPECT_EQ(error(taped, "taped"), "no error");
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

/// Computes one thing wrong.
class Wrong : public TapedBackend {
 public:
  enum class What { kNorm, kWeights, kUpdate };
  explicit Wrong(What what) : what_(what) {}
  void batch_norm_train(const BatchNormForward& t) override {
    TapedBackend::batch_norm_train(t);
    if (what_ == What::kNorm && contains(t.y.name, "block2")) scale(t.y);
  }
  void dense_backward(const DenseBackward& t) override {
    TapedBackend::dense_backward(t);
    if (what_ == What::kWeights) scale(t.dweight);
  }
  void update(const Update& t) override {
    TapedBackend::update(t);
    if (what_ == What::kUpdate) scale(t.values);
  }

 private:
  static void scale(const Tensor& t) {
    for (int64_t i = 0; i < t.shape.count(); ++i) t.f32()[i] *= 1.5f;
  }
  What what_;
};

TEST_F(LockstepTest, TheFirstWrongTensorIsNamed) {
  kinds = {ModelKind::kAudio};
  const auto found = [&](Wrong::What what, const std::string& name) {
    Wrong device(what);
    return error(device, name);
  };
  const std::string norm = found(Wrong::What::kNorm, "norm");
  EXPECT_TRUE(
      contains(norm, "step 1 of cnn-audio: block2.norm.y of layer block2.norm is off by 0.5"))
      << norm;
  const std::string weights = found(Wrong::What::kWeights, "weights");
  EXPECT_TRUE(contains(weights, "step 1 of cnn-audio: gradient of layer softmax is off by 0."))
      << weights;
  const std::string update = found(Wrong::What::kUpdate, "update");
  EXPECT_TRUE(contains(update, "step 1 of cnn-audio: update of all parameters is off by "))
      << update;
}

}  // namespace
}  // namespace earshot
