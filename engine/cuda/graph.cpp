#include "engine/cuda/graph.h"

#include <algorithm>
#include <array>

namespace earshot::cuda {
namespace {

std::string last_reason() {
  std::array<char, 512> text{};
  cudnnGetLastErrorString(text.data(), text.size());
  return text.data();
}

void check(cudnnStatus_t status, const char* what) {
  if (status != CUDNN_STATUS_SUCCESS)
    fail_device("cuDNN {}: {} ({})", what, cudnnGetErrorString(status), last_reason());
}

int64_t integer(const Descriptor& from, cudnnBackendAttributeName_t name) {
  int64_t value = 0, count = 0;
  check(cudnnBackendGetAttribute(from.get(), name, CUDNN_TYPE_INT64, 1, &count, &value),
        "attribute");
  return value;
}

template <typename Note>
std::vector<Note> notes(const Descriptor& engine, cudnnBackendAttributeName_t name,
                        cudnnBackendAttributeType_t type, int64_t most) {
  std::vector<Note> found(static_cast<size_t>(most));
  int64_t count = 0;
  check(cudnnBackendGetAttribute(engine.get(), name, type, most, &count, found.data()), "notes");
  found.resize(static_cast<size_t>(count));
  return found;
}

/// Whether an engine computes what was asked for.
bool allowed(const Descriptor& engine, const PlanLimits& limits) {
  const auto behavior =
      notes<cudnnBackendBehaviorNote_t>(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                                        CUDNN_TYPE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
  for (const auto note : behavior)
    if (note == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) return false;
  const auto numerical = notes<cudnnBackendNumericalNote_t>(
      engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
      CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  for (const auto note : numerical) {
    if (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !limits.tensor_cores) return false;
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && limits.deterministic) return false;
    if (note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||  // to half precision
        note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)
      return false;
  }
  return true;
}

Descriptor operation_graph(const std::vector<Descriptor>& operations, const PlanTarget& target) {
  std::vector<cudnnBackendDescriptor_t> raw;
  for (const Descriptor& operation : operations) raw.push_back(operation.get());
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            static_cast<int64_t>(raw.size()), raw.data());
  if (target.handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  graph.finalize();
  return graph;
}

/// Engine configurations in the order of one heuristic.
std::vector<Descriptor> configurations(const Descriptor& graph, const PlanTarget& target,
                                       cudnnBackendHeurMode_t mode) {
  Descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.descriptor(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (target.device) heuristic.descriptor(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, *target.device);
  std::vector<Descriptor> found;
  if (!heuristic.try_finalize()) return found;
  int64_t count = 0;
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
        "heuristics");
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int64_t i = 0; i < count; ++i)
    raw.push_back(found.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  check(cudnnBackendGetAttribute(heuristic.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, raw.data()),
        "heuristics");
  found.erase(found.begin() + count, found.end());
  return found;
}

Descriptor engine_of(const Descriptor& configuration) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  int64_t count = 0;
  check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw),
        "engine");
  return engine;
}

/// "eng14 k2=3 k13=0": the engine's number and the settings that a heuristic chose for it.
std::string name_of(const Descriptor& configuration, const Descriptor& engine) {
  std::string name = fmt::format("eng{}", integer(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  std::vector<Descriptor> choices;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (int i = 0; i < CUDNN_KNOB_TYPE_COUNTS; ++i)
    raw.push_back(choices.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR).get());
  int64_t count = 0;
  check(cudnnBackendGetAttribute(configuration.get(), CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS, &count,
                                 raw.data()),
        "settings");
  for (int64_t i = 0; i < count; ++i) {
    const Descriptor& choice = choices[static_cast<size_t>(i)];
    cudnnBackendKnobType_t type = CUDNN_KNOB_TYPE_COUNTS;
    int64_t one = 0;
    check(cudnnBackendGetAttribute(choice.get(), CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
                                   CUDNN_TYPE_KNOB_TYPE, 1, &one, &type),
          "settings");
    name += fmt::format(" k{}={}", static_cast<int>(type),
                        integer(choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return name;
}

}  // namespace

Descriptor::Descriptor(cudnnBackendDescriptorType_t type) {
  cudnnBackendDescriptor_t raw = nullptr;
  check(cudnnBackendCreateDescriptor(type, &raw), "descriptor");
  raw_.reset(raw);
}

Descriptor& Descriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                            int64_t count, const void* values) {
  check(cudnnBackendSetAttribute(get(), name, type, count, values), "attribute");
  return *this;
}

Descriptor& Descriptor::finalize() {
  check(cudnnBackendFinalize(get()), "graph");
  return *this;
}

bool Descriptor::try_finalize() { return cudnnBackendFinalize(get()) == CUDNN_STATUS_SUCCESS; }

Descriptor own_device(int index) {
  const int32_t id = index;
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_DEVICE_ID, CUDNN_TYPE_INT32, 1, &id);
  device.finalize();
  return device;
}

Descriptor described_device(const std::string& json) {
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
             static_cast<int64_t>(json.size()), json.data());
  device.finalize();
  return device;
}

std::string description(const Descriptor& device) {
  const auto read = [&](int64_t most, int64_t& size, char* text) {
    check(cudnnBackendGetAttribute(device.get(), CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                   CUDNN_TYPE_CHAR, most, &size, text),
          "description of a device");
  };
  int64_t size = 0;
  read(0, size, nullptr);
  std::string text(static_cast<size_t>(size), '\0');
  read(size, size, text.data());
  text.resize(text.find_last_not_of('\0') + 1);
  return text;
}

cudnnStatus_t Plan::run(cudnnHandle_t handle, const std::vector<Binding>& bindings,
                        void* workspace) const {
  std::array<int64_t, 8> uids{};
  std::array<void*, 8> data{};
  int64_t count = 0;
  for (const Binding& binding : bindings) {
    uids[static_cast<size_t>(count)] = binding.uid;
    data[static_cast<size_t>(count++)] = binding.data;
  }
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, data.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
  pack.finalize();
  return cudnnBackendExecute(handle, plan_.get(), pack.get());
}

std::vector<Candidate> candidates(const std::vector<Descriptor>& operations,
                                  const PlanTarget& target, const PlanLimits& limits) {
  const Descriptor graph = operation_graph(operations, target);
  std::vector<Candidate> found;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (Descriptor& configuration : configurations(graph, target, mode)) {
      const Descriptor engine = engine_of(configuration);
      if (!allowed(engine, limits)) continue;
      const std::string name = name_of(configuration, engine);
      const auto same = [&](const Candidate& other) { return other.name == name; };
      if (std::none_of(found.begin(), found.end(), same))
        found.push_back({std::move(configuration), name});
    }
  return found;
}

std::optional<Plan> try_plan(const Candidate& candidate, const PlanTarget& target,
                             const PlanLimits& limits) {
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.descriptor(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, candidate.configuration);
  if (target.device) plan.descriptor(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, *target.device);
  if (target.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, target.handle);
  if (!plan.try_finalize()) return std::nullopt;
  const int64_t workspace = integer(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (workspace > limits.workspace) return std::nullopt;
  return Plan(std::move(plan), workspace, candidate.name);
}

}  // namespace earshot::cuda
