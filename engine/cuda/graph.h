// cuDNN's graph interface (cudnnBackend*): descriptors that free themselves, and the
// execution plans of a graph. A plan is made for the GPU behind a handle or, without any GPU or
// driver, for a described one.
#pragma once

#include <cudnn.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engine/error.h"

namespace earshot::cuda {

/// A descriptor of cuDNN's backend: attributes, then finalize().
class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type);

  cudnnBackendDescriptor_t get() const { return raw_.get(); }
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
                  const void* values);
  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    return set(name, type, 1, &value);
  }
  Descriptor& integers(cudnnBackendAttributeName_t name, std::initializer_list<int64_t> values) {
    return set(name, CUDNN_TYPE_INT64, static_cast<int64_t>(values.size()), values.begin());
  }
  Descriptor& descriptor(cudnnBackendAttributeName_t name, const Descriptor& value) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, value.get());
  }
  /// Throws Error with cuDNN's own reason.
  Descriptor& finalize();
  /// False where cuDNN has nothing for it.
  bool try_finalize();

 private:
  struct Destroy {
    void operator()(void* raw) const { cudnnBackendDestroyDescriptor(raw); }
  };
  std::unique_ptr<void, Destroy> raw_;
};

/// What plans are made for: exactly one of the two is there.
struct PlanTarget {
  cudnnHandle_t handle = nullptr;
  const Descriptor* device = nullptr;
};
/// A device of this machine, or another by its description, as cuDNN writes it in JSON.
Descriptor own_device(int index);
Descriptor described_device(const std::string& json);
std::string description(const Descriptor& device);

struct PlanLimits {
  int64_t workspace;   // bytes
  bool tensor_cores;   // whether float32 inputs may be rounded to TF32
  bool deterministic;  // the same bits in every run
};

/// A buffer that a graph reads or writes: its uid and where it lies.
struct Binding {
  int64_t uid;
  void* data;
};

class Plan {
 public:
  Plan(Descriptor plan, int64_t workspace, std::string name)
      : plan_(std::move(plan)), workspace_(workspace), name_(std::move(name)) {}
  int64_t workspace() const { return workspace_; }   // bytes
  const std::string& name() const { return name_; }  // of its candidate
  cudnnStatus_t run(cudnnHandle_t handle, const std::vector<Binding>& bindings,
                    void* workspace) const;

 private:
  Descriptor plan_;
  int64_t workspace_;
  std::string name_;
};

/// An engine of cuDNN with its settings for one graph. It may yet turn out to have no plan.
struct Candidate {
  Descriptor configuration;
  std::string name;  // engine and settings: "eng14 k2=3 k13=0"
};
/// What cuDNN's heuristics suggest and the limits allow, best guess first, each once. Engines that
/// are compiled at run time stay out: they cost up to a second each. Throws Error where the graph
/// is malformed.
std::vector<Candidate> candidates(const std::vector<Descriptor>& operations,
                                  const PlanTarget& target, const PlanLimits& limits);
/// The plan, unless there is none or it wants more workspace than the limits allow.
std::optional<Plan> try_plan(const Candidate& candidate, const PlanTarget& target,
                             const PlanLimits& limits);

}  // namespace earshot::cuda
