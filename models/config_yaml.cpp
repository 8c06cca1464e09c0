#include "models/config_yaml.h"

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>
#include <sstream>

#include "engine/error.h"

namespace earshot {
namespace {

using Json = nlohmann::json;
using Kind = ConfigKey::Kind;

// A few words of the user's own text, fit for a one-line message.
std::string shown(const std::string& text) {
  std::string line = text.substr(0, 60);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 32; }, ' ');
  return line + (text.size() > 60 ? "..." : "");
}

template <typename Number>
std::optional<Number> number_from(const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::optional<Json> integer_from(const std::string& text) {
  if (const auto number = number_from<uint64_t>(text)) return Json(*number);
  if (const auto number = number_from<int64_t>(text)) return Json(*number);
  return std::nullopt;
}

// The scalar as the kind of value that the key takes, or nothing.
std::optional<Json> scalar_from(Kind kind, const YAML::Node& node) {
  if (!node.IsScalar()) return std::nullopt;
  const std::string& text = node.Scalar();
  if (kind == Kind::kWord) return Json(text);
  const bool quoted = node.Tag() == "!";
  if (quoted) return std::nullopt;
  if (kind == Kind::kFlag) {
    if (text == "true" || text == "True" || text == "TRUE") return Json(true);
    if (text == "false" || text == "False" || text == "FALSE") return Json(false);
    return std::nullopt;
  }
  if (kind == Kind::kReal) {
    const auto number = number_from<double>(text);
    if (!number || !std::isfinite(*number)) return std::nullopt;
    return Json(*number);
  }
  return integer_from(text);
}

std::optional<Json> value_from(Kind kind, const YAML::Node& node) {
  if (kind != Kind::kIntegers) return scalar_from(kind, node);
  if (!node.IsSequence()) return std::nullopt;
  Json list = Json::array();
  for (const YAML::Node& entry : node) {
    const auto number = scalar_from(Kind::kInteger, entry);
    if (!number) return std::nullopt;
    list.push_back(*number);
  }
  return list;
}

/// YAML::LoadAll would never end where the parser stands still (", a: 1}" at the start).
bool has_second_document(const std::string& text) {
  struct : YAML::EventHandler {
    using Mark = YAML::Mark;
    using Tag = std::string;
    void OnDocumentStart(const Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const Mark&, YAML::anchor_t) override {}
    void OnAlias(const Mark&, YAML::anchor_t) override {}
    void OnScalar(const Mark&, const Tag&, YAML::anchor_t, const std::string&) override {}
    using Style = YAML::EmitterStyle::value;
    void OnSequenceStart(const Mark&, const Tag&, YAML::anchor_t, Style) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const Mark&, const Tag&, YAML::anchor_t, Style) override {}
    void OnMapEnd() override {}
  } ignore;
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  return parser.HandleNextDocument(ignore) && parser.HandleNextDocument(ignore);
}

// Walks the sections of one document. Only known sections are entered, so that depth is bounded
// even where an alias points at its own parent.
class Walker {
 public:
  /// Where the document has lines to name, `where` is a file; elsewhere the whole option.
  Walker(std::string where, bool has_lines) : where_(std::move(where)), has_lines_(has_lines) {}

  std::vector<ConfigSetting> settings;

  void enter(const std::string& name, const YAML::Node& node) {
    const std::string here = place(node);
    if (const ConfigKey* key = find_config_key(name)) return add(*key, node, here);
    if (!is_config_section(name)) unknown_config_key(here, shown(name));
    if (node.IsNull()) return;  // a section whose keys are all commented out
    if (!node.IsMap()) {
      fail_usage("{}: {} is a section and takes keys of its own, as in {}: {{...}}", here, name,
                 name);
    }
    children(name + ".", node);
  }

  void children(const std::string& prefix, const YAML::Node& map) {
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        fail_usage("{}: a key must be a word such as batch", place(entry.first));
      }
      const std::string name = prefix + entry.first.Scalar();
      if (!names_.insert(name).second) {
        fail_usage("{}: {} is given twice; keep one", place(entry.first), shown(name));
      }
      enter(name, entry.second);
    }
  }

  std::string place(const YAML::Node& node) const {
    const YAML::Mark mark = node.Mark();
    return has_lines_ && !mark.is_null() ? fmt::format("{}:{}", where_, mark.line + 1) : where_;
  }

 private:
  void add(const ConfigKey& key, const YAML::Node& node, const std::string& here) {
    if (node.IsNull()) {
      fail_usage("{}: {} has no value; it takes {}", here, key.name, key.allowed);
    }
    const auto value = value_from(key.kind, node);
    if (!value) {
      const std::string found = node.IsScalar() ? shown(node.Scalar()) : "not such a value";
      fail_usage("{}: {} is {}; it takes {}", here, key.name, found, key.allowed);
    }
    settings.push_back({&key, *value, here});
  }

  std::string where_;
  bool has_lines_;
  std::set<std::string> names_;
};

// yaml-cpp's own errors as ours.
template <typename Work>
auto with_yaml_errors(const std::string& where, Work work) {
  try {
    return work();
  } catch (const YAML::DeepRecursion& error) {
    fail_usage("{}:{}: not valid YAML: nested too deeply", where, error.mark.line + 1);
  } catch (const YAML::Exception& error) {
    const std::string line = error.mark.is_null() ? "" : fmt::format(":{}", error.mark.line + 1);
    fail_usage("{}{}: not valid YAML: {}", where, line, shown(error.msg));
  }
}

}  // namespace

void unknown_config_key(const std::string& where, const std::string& name) {
  fail_usage("{}: there is no key {}.{}", where, name, closest_config_key(name));
}

void apply_settings(Config& config, const std::vector<ConfigSetting>& settings) {
  for (const ConfigSetting& setting : settings) {
    if (setting.key->set(config, setting.value)) continue;
    fail_usage("{}: {} is {}; it takes {}", setting.where, setting.key->name,
               shown(setting.value.dump(-1, ' ', false, Json::error_handler_t::replace)),
               setting.key->allowed);
  }
}

std::vector<ConfigSetting> settings_from_yaml(const std::string& text, const std::string& file) {
  return with_yaml_errors(file, [&] {
    if (has_second_document(text)) fail_usage("{}: holds several YAML documents; keep one", file);
    const YAML::Node document = YAML::Load(text);
    Walker walker(file, true);
    if (document.IsNull()) return walker.settings;
    if (!document.IsMap()) {
      fail_usage("{}: a config is a list of keys and values such as \"batch: 32\"",
                 walker.place(document));
    }
    walker.children("", document);
    return walker.settings;
  });
}

std::vector<ConfigSetting> settings_from_option(const std::string& option) {
  const std::string where = "--set " + shown(option);
  const size_t equals = option.find('=');
  if (equals == option.npos || equals == 0) {
    fail_usage("{}: an override has the form key=value, such as batch=16", where);
  }
  return with_yaml_errors(where, [&] {
    Walker walker(where, false);
    const std::vector<YAML::Node> documents = YAML::LoadAll(option.substr(equals + 1));
    if (documents.size() > 1) fail_usage("{}: the value is more than one YAML document", where);
    const std::string name = option.substr(0, equals);
    walker.enter(name, documents.empty() ? YAML::Node(YAML::NodeType::Null) : documents[0]);
    return walker.settings;
  });
}

}  // namespace earshot
