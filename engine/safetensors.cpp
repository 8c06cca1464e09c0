#include "engine/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "engine/error.h"

namespace earshot {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr uint64_t kMostHeaderBytes = 100'000'000;
constexpr size_t kMostDimensions = 16;
constexpr size_t kLengthBytes = 8;
constexpr const char* kMetadataKey = "__metadata__";
constexpr const char* kHashKey = "content_hash";

struct TypeInfo {
  SafetensorsType type;
  const char* name;
  uint64_t bytes;
};
constexpr std::array<TypeInfo, 4> kTypes{{{SafetensorsType::kF32, "F32", 4},
                                          {SafetensorsType::kF64, "F64", 8},
                                          {SafetensorsType::kI64, "I64", 8},
                                          {SafetensorsType::kU8, "U8", 1}}};

const TypeInfo& info(SafetensorsType type) { return kTypes[static_cast<size_t>(type)]; }

/// Bytes of a tensor, or nothing where a dimension is negative or the product overflows.
std::optional<uint64_t> byte_size(const SafetensorsEntry& tensor) {
  uint64_t bytes = info(tensor.type).bytes;
  for (const int64_t n : tensor.shape)
    if (n < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes)) return {};
  return bytes;
}

uint64_t hash_text(std::string_view text, uint64_t seed) {
  return content_hash(std::as_bytes(std::span(text)), seed);
}

/// Over the metadata but the hash itself, then name, type, shape and bytes of each tensor in the
/// order of names, so that a program that reorders them, as Python's safetensors does, keeps the
/// hash true.
std::string hash_content(const std::vector<SafetensorsEntry>& tensors, const Metadata& metadata) {
  std::vector<const SafetensorsEntry*> order;
  order.reserve(tensors.size());
  for (const SafetensorsEntry& tensor : tensors) order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const auto* tensor) { return std::string_view(tensor->name); });
  uint64_t hash = 0;
  for (const auto& [key, value] : metadata)
    if (key != kHashKey) hash = hash_text(value, hash_text(key, hash));
  for (const SafetensorsEntry* tensor : order) {
    hash = hash_text(tensor->name, hash);
    hash = hash_text(info(tensor->type).name, hash);
    hash = content_hash(std::as_bytes(std::span(tensor->shape)), hash);
    hash = content_hash(tensor->bytes, hash);
  }
  return fmt::format("{:016x}", hash);
}

void check_for_writing(const fs::path& path, const std::vector<SafetensorsEntry>& tensors) {
  std::set<std::string_view> names;
  for (const SafetensorsEntry& tensor : tensors) {
    if (tensor.name.empty() || tensor.name == kMetadataKey)
      fail("cannot write {}: '{}' is not a possible tensor name", path.string(), tensor.name);
    if (!names.insert(tensor.name).second)
      fail("cannot write {}: two tensors are named {}", path.string(), tensor.name);
    if (tensor.shape.size() > kMostDimensions)
      fail("cannot write {}: tensor {} has more than {} dimensions", path.string(), tensor.name,
           kMostDimensions);
    const std::optional<uint64_t> bytes = byte_size(tensor);
    if (!bytes || *bytes != tensor.bytes.size())
      fail(
          "cannot write {}: tensor {} has {} bytes, its type {} and shape [{}] need another number",
          path.string(), tensor.name, tensor.bytes.size(), info(tensor.type).name,
          fmt::join(tensor.shape, ", "));
  }
}

/// Text that quotes itself, in the order given.
std::string header_text(const std::vector<SafetensorsEntry>& tensors,
                        const std::vector<uint64_t>& offsets, const Metadata& metadata) {
  using Json = nlohmann::json;
  std::string text = "{" + Json(kMetadataKey).dump() + ":" + Json(metadata).dump();
  for (size_t i = 0; i < tensors.size(); ++i)
    text += fmt::format(R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                        Json(tensors[i].name).dump(), info(tensors[i].type).name,
                        fmt::join(tensors[i].shape, ","), offsets[i],
                        offsets[i] + tensors[i].bytes.size());
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

/// Takes a header as it is parsed, so that a hostile one costs no more memory than its size:
/// {"__metadata__": {key: text}, name: {"dtype": text, "shape": [n], "data_offsets": [from, to]}}
class HeaderReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  struct Tensor {
    SafetensorsEntry entry;
    std::vector<uint64_t> offsets;
    bool has_type = false, has_shape = false, has_offsets = false;
  };
  std::vector<Tensor> tensors;
  Metadata metadata;
  std::string error;  // why parsing stopped

  bool start_object(std::size_t) override {
    if (state_ == State::kStart) return enter(State::kNames);
    if (state_ == State::kNames && in_metadata_) return enter(State::kMetadata);
    if (state_ == State::kNames) return enter(State::kTensor);
    return refuse("an object where none belongs");
  }
  bool end_object() override {
    if (state_ == State::kTensor) {
      const Tensor& tensor = tensors.back();
      if (!tensor.has_type || !tensor.has_shape || !tensor.has_offsets)
        return refuse("it lacks dtype, shape or data_offsets");
    }
    return enter(state_ == State::kNames ? State::kEnd : State::kNames);
  }
  bool key(std::string& name) override {
    if (state_ == State::kMetadata) {
      key_ = name;
      return metadata.emplace(name, "").second || refuse("two metadata entries named " + name);
    }
    if (state_ == State::kTensor) {
      key_ = name;
      Tensor& t = tensors.back();
      for (const auto& [field, seen] : {std::pair{"dtype", &t.has_type},
                                        {"shape", &t.has_shape},
                                        {"data_offsets", &t.has_offsets}})
        if (name == field) return !std::exchange(*seen, true) || refuse("two entries " + name);
      return refuse("an unknown entry " + name);
    }
    in_metadata_ = name == kMetadataKey;
    if (!names_.insert(name).second) return refuse("two tensors named " + name);
    if (!in_metadata_) tensors.emplace_back().entry.name = name;
    return true;
  }
  bool string(std::string& text) override {
    if (state_ == State::kMetadata) {
      metadata[key_] = text;
      return true;
    }
    if (state_ != State::kTensor || key_ != "dtype") return refuse("a text where none belongs");
    for (const TypeInfo& type : kTypes) {
      if (text != type.name) continue;
      tensors.back().entry.type = type.type;
      return true;
    }
    return refuse("the type " + text + ", which is none of F32, F64, I64, U8");
  }
  bool start_array(std::size_t) override {
    if (state_ == State::kTensor && key_ == "shape") return enter(State::kShape);
    if (state_ == State::kTensor && key_ == "data_offsets") return enter(State::kOffsets);
    return refuse("a list where none belongs");
  }
  bool end_array() override {
    if (state_ == State::kOffsets && tensors.back().offsets.size() != 2)
      return refuse("data_offsets without an end");
    return enter(State::kTensor);
  }
  bool number_unsigned(uint64_t n) override {
    if (state_ == State::kShape) {
      std::vector<int64_t>& shape = tensors.back().entry.shape;
      if (shape.size() == kMostDimensions) return refuse("too many dimensions");
      if (n > uint64_t{INT64_MAX}) return refuse("an impossible dimension");
      shape.push_back(static_cast<int64_t>(n));
      return true;
    }
    if (state_ != State::kOffsets) return refuse("a number where none belongs");
    if (tensors.back().offsets.size() == 2) return refuse("more than two data_offsets");
    tensors.back().offsets.push_back(n);
    return true;
  }
  bool number_integer(int64_t) override { return refuse("a negative number"); }
  bool number_float(double, const std::string&) override { return refuse("a fraction"); }
  bool null() override { return refuse("a null"); }
  bool boolean(bool) override { return refuse("a true or false"); }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error = fmt::format("it is no valid JSON at byte {}", position);
    return false;
  }

 private:
  enum class State { kStart, kNames, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool enter(State next) {
    state_ = next;
    return true;
  }
  bool refuse(const std::string& why) {
    const bool inside = state_ != State::kStart && state_ != State::kNames && !in_metadata_;
    error = inside ? fmt::format("tensor {}: {}", tensors.back().entry.name, why) : why;
    return false;
  }

  State state_ = State::kStart;
  bool in_metadata_ = false;
  std::string key_;
  std::set<std::string> names_;
};

[[noreturn]] void fail_damaged(const fs::path& path, std::string_view why) {
  fail("{} is no usable safetensors file: {}; make it or copy it again", path.string(), why);
}

/// Points every entry at its bytes. The format demands that the tensors cover `data` exactly.
void place(const fs::path& path, std::vector<HeaderReader::Tensor>& tensors,
           std::span<const std::byte> data) {
  std::vector<HeaderReader::Tensor*> order;
  order.reserve(tensors.size());
  for (HeaderReader::Tensor& tensor : tensors) order.push_back(&tensor);
  std::ranges::sort(order, {}, [](const auto* tensor) { return tensor->offsets; });
  uint64_t position = 0;
  for (HeaderReader::Tensor* tensor : order) {
    SafetensorsEntry& entry = tensor->entry;
    const uint64_t begin = tensor->offsets[0], end = tensor->offsets[1];
    if (begin > end || end > data.size())
      fail_damaged(path, fmt::format("tensor {} lies at bytes {} to {}, the file has {} bytes of "
                                     "tensors",
                                     entry.name, begin, end, data.size()));
    if (begin != position)
      fail_damaged(path, fmt::format("tensor {} {} the one before it", entry.name,
                                     begin < position ? "overlaps" : "leaves a gap after"));
    if (byte_size(entry) != end - begin)
      fail_damaged(path,
                   fmt::format("tensor {} of type {} and shape [{}] has {} bytes", entry.name,
                               info(entry.type).name, fmt::join(entry.shape, ", "), end - begin));
    entry.bytes = data.subspan(begin, end - begin);
    const auto address = reinterpret_cast<uintptr_t>(entry.bytes.data());
    if (!entry.bytes.empty() && address % info(entry.type).bytes != 0)
      fail_damaged(path, fmt::format("tensor {} is not aligned to its type", entry.name));
    position = end;
  }
  if (position != data.size())
    fail_damaged(path, fmt::format("{} bytes follow the last tensor", data.size() - position));
}

}  // namespace

void write_safetensors(const fs::path& path, const std::vector<SafetensorsEntry>& tensors,
                       const Metadata& metadata) {
  check_for_writing(path, tensors);
  Metadata full = metadata;
  full[kHashKey] = hash_content(tensors, metadata);
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, std::greater<>{},
                           [&](size_t i) { return info(tensors[i].type).bytes; });
  std::vector<uint64_t> offsets(tensors.size());
  uint64_t position = 0;
  for (const size_t i : order) {
    offsets[i] = position;
    position += tensors[i].bytes.size();
  }
  std::string header;
  try {
    header = header_text(tensors, offsets, full);
  } catch (const nlohmann::json::exception&) {
    fail("cannot write {}: a tensor name or metadata entry is not valid UTF-8", path.string());
  }
  if (header.size() > kMostHeaderBytes)
    fail("cannot write {}: names and metadata exceed {} bytes", path.string(), kMostHeaderBytes);
  const uint64_t length = header.size();
  AtomicFile file(path);
  file.write(&length, sizeof length);
  file.write(header);
  for (const size_t i : order) file.write(tensors[i].bytes.data(), tensors[i].bytes.size());
  file.commit();
}

SafetensorsFile::SafetensorsFile(const fs::path& path) : path_(path), file_(path) {
  const std::span<const std::byte> bytes = file_.bytes();
  if (bytes.size() < kLengthBytes) fail_damaged(path, "it has not even a header length");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMostHeaderBytes)
    fail_damaged(path, fmt::format("its header claims {} bytes", length));
  if (length > bytes.size() - kLengthBytes)
    fail_damaged(path, "it ends within its header, so it is cut short");
  const char* text = reinterpret_cast<const char*>(bytes.data()) + kLengthBytes;
  HeaderReader header;
  if (!nlohmann::json::sax_parse(text, text + length, &header))
    fail_damaged(path, "in its header: " + header.error);
  place(path, header.tensors, bytes.subspan(kLengthBytes + length));
  metadata_ = std::move(header.metadata);
  for (HeaderReader::Tensor& tensor : header.tensors) {
    by_name_.emplace(tensor.entry.name, tensors_.size());
    tensors_.push_back(std::move(tensor.entry));
  }
  const auto hash = metadata_.find(kHashKey);
  if (hash != metadata_.end() && hash->second != hash_content(tensors_, metadata_))
    fail_damaged(path, "its content differs from its checksum, so it is damaged");
}

const SafetensorsEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &tensors_[found->second];
}

const std::string& SafetensorsFile::require_metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end())
    fail("{} has no metadata entry {}; it was not written by earshot, or by another version",
         path_.string(), key);
  return found->second;
}

}  // namespace earshot
