#include "http/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "http/error_response.h"

namespace almagest {
namespace {

using DomElement = simdjson::dom::element;
using simdjson::dom::element_type;

// A parser that once read a large body keeps buffers several times its size: not for ever.
constexpr size_t kParserCapacityKept = 4u << 20;

std::string_view TypeName(const DomElement& value) {
  switch (value.type()) {
    case element_type::ARRAY:
      return "an array";
    case element_type::OBJECT:
      return "an object";
    case element_type::INT64:
    case element_type::UINT64:
      return "a whole number";
    case element_type::DOUBLE:
      return "a number";
    case element_type::STRING:
      return "a string";
    case element_type::BOOL:
      return "a boolean";
    case element_type::NULL_VALUE:
      return "null";
  }
  return "a value";
}

std::string KnownNames(std::initializer_list<std::string_view> known) {
  std::string text;
  for (const std::string_view name : known) {
    text += fmt::format("{}`{}`", text.empty() ? "" : ", ", name);
  }
  return text;
}

// Reads a body that simdjson refused once more, to say where and what: simdjson's DOM tells
// neither. Stops at the first offence. Follows nlohmann::json_sax; a token that is no JSON comes in
// by parse_error.
class FaultFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  const std::optional<Error>& fault() const { return fault_; }

  bool null() override { return Next(); }
  bool boolean(bool) override { return Next(); }
  bool number_integer(number_integer_t) override { return Next(); }
  bool number_unsigned(number_unsigned_t) override { return Next(); }
  bool number_float(number_float_t, const string_t&) override { return Next(); }
  bool string(string_t&) override { return Next(); }
  bool binary(binary_t&) override { return Next(); }
  bool start_object(size_t) override { return Enter(false); }
  bool start_array(size_t) override { return Enter(true); }
  bool key(string_t& name) override {
    levels_.back().key = name.substr(0, 100);
    return true;
  }
  bool end_object() override { return Leave(); }
  bool end_array() override { return Leave(); }
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::detail::exception& exception) override {
    constexpr int kNumberOverflow = 406;
    if (exception.id == kNumberOverflow) {
      fault_ = FormatError(Place(), fmt::format("{} is out of range, numbers are 64-bit floats",
                                                token.substr(0, 40)));
    } else if (levels_.empty()) {
      fault_ = FormatError("", fmt::format("this is not valid JSON at byte {}", position));
    } else {
      fault_ = FormatError(Place(), fmt::format("this is not valid JSON at byte {}", position));
    }
    return false;
  }

 private:
  struct Level {
    bool is_array = false;
    size_t index = 0;
    std::string key;
  };
  bool Enter(bool is_array) {
    levels_.push_back({is_array, 0, ""});
    return true;
  }
  bool Leave() {
    levels_.pop_back();
    return Next();
  }
  bool Next() {
    if (!levels_.empty()) ++levels_.back().index;
    return true;
  }
  std::string Place() const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.is_array) {
        path += fmt::format("[{}]", level.index);
      } else {
        path += (path.empty() ? "" : ".") + level.key;
      }
    }
    return path;
  }

  std::vector<Level> levels_;
  std::optional<Error> fault_;
};

// simdjson's own words where the second reading finds nothing.
Error BrokenBody(std::string_view body, simdjson::error_code error) {
  FaultFinder finder;
  nlohmann::json::sax_parse(body.begin(), body.end(), &finder);
  return finder.fault().value_or(FormatError("", simdjson::error_message(error)));
}

bool IsLongInteger(std::string_view number) {
  if (number.find_first_of(".eE") != std::string_view::npos) return false;
  const char* end = number.data() + number.size();
  int64_t negative = 0;
  uint64_t positive = 0;
  const auto error = number.starts_with('-') ? std::from_chars(number.data(), end, negative).ec
                                             : std::from_chars(number.data(), end, positive).ec;
  return error == std::errc::result_out_of_range;
}

// simdjson refuses whole numbers beyond 64 bits; as in Qdrant they are floating-point numbers. The
// text with them written as such; nullopt when there are none. Not validated: simdjson does that.
std::optional<std::string> WithLongIntegersAsFloats(std::string_view body) {
  std::string text;
  size_t copied = 0;
  for (size_t i = 0; i < body.size();) {
    if (body[i] == '"') {
      for (++i; i < body.size() && body[i] != '"'; ++i) i += body[i] == '\\' ? 1 : 0;
      ++i;
    } else if (body[i] == '-' || (body[i] >= '0' && body[i] <= '9')) {
      const size_t end = std::min(body.find_first_not_of("-+.eE0123456789", i), body.size());
      if (IsLongInteger(body.substr(i, end - i))) {
        text += body.substr(copied, end - copied);
        text += ".0";
        copied = end;
      }
      i = end;
    } else {
      ++i;
    }
  }
  if (copied == 0) return std::nullopt;
  return text += body.substr(copied);
}

template <class T, class Read>
Result<std::optional<T>> FindMember(const JsonValue& object, std::string_view key, Read read) {
  const std::optional<JsonValue> member = object.Find(key);
  if (!member) return std::optional<T>();
  ALMAGEST_TRY(auto value, read(*member));
  return std::optional<T>(T(value));
}

}  // namespace

std::string JsonPath::ToString() const {
  std::vector<const Step*> steps;
  for (const Step* step = last_; step != nullptr; step = step->before) steps.push_back(step);
  std::string text;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const auto& [before, key, size] = **step;
    if (key == nullptr) {
      text += fmt::format("[{}]", size);
    } else {
      text += fmt::format("{}{}", text.empty() ? "" : ".", std::string_view(key, size));
    }
  }
  return text;
}

Error JsonValue::TypeError(std::string_view expected) const {
  return FormatError(path(), fmt::format("expected {}, got {}", expected, TypeName(element_)));
}

Result<> JsonValue::ExpectObject() const {
  if (!IsObject()) return Fail(TypeError("an object"));
  return {};
}

Result<bool> JsonValue::AsBool() const {
  bool value = false;
  if (element_.get(value) != simdjson::SUCCESS) return Fail(TypeError("a boolean"));
  return value;
}

Result<std::string_view> JsonValue::AsString() const {
  std::string_view value;
  if (element_.get(value) != simdjson::SUCCESS) return Fail(TypeError("a string"));
  return value;
}

Result<uint64_t> JsonValue::AsUnsigned() const {
  uint64_t value = 0;
  if (element_.get(value) == simdjson::SUCCESS) return value;
  if (element_.is<int64_t>()) {
    return Fail(FormatError(
        path(), fmt::format("expected a whole number from 0 on, got {}", int64_t(element_))));
  }
  return Fail(TypeError("a whole number"));
}

Result<int64_t> JsonValue::AsInteger() const {
  int64_t value = 0;
  if (element_.get(value) != simdjson::SUCCESS) return Fail(TypeError("a whole number"));
  return value;
}

Result<double> JsonValue::AsDouble() const {
  double value = 0;
  if (element_.get(value) != simdjson::SUCCESS) return Fail(TypeError("a number"));
  return value;
}

Result<simdjson::dom::array> JsonValue::AsArray() const {
  simdjson::dom::array array;
  if (element_.get(array) != simdjson::SUCCESS) return Fail(TypeError("an array"));
  return array;
}

Result<std::vector<JsonValue>> JsonValue::Items() const {
  ALMAGEST_TRY(const auto array, AsArray());
  std::vector<JsonValue> items;
  size_t index = 0;
  items.reserve(array.size());
  for (const DomElement item : array) items.push_back(Child(item, index++));
  return items;
}

Result<std::vector<std::pair<std::string_view, JsonValue>>> JsonValue::Members() const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) return Fail(TypeError("an object"));
  std::vector<std::pair<std::string_view, JsonValue>> members;
  for (const auto& field : object) {
    members.emplace_back(field.key, JsonValue(field.value, path_.Child(field.key)));
  }
  return members;
}

Result<std::vector<std::string>> JsonValue::AsStrings() const {
  ALMAGEST_TRY(const auto items, Items());
  std::vector<std::string> strings;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const std::string_view text, item.AsString());
    strings.emplace_back(text);
  }
  return strings;
}

std::optional<JsonValue> JsonValue::Find(std::string_view key) const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) return std::nullopt;
  for (auto field = object.begin(); field != object.end(); ++field) {
    if (!field.key_equals(key)) continue;
    const DomElement member = field.value();
    // The document's own key, which lives as long as the value does.
    return member.is_null() ? std::nullopt
                            : std::optional(JsonValue(member, path_.Child(field.key())));
  }
  return std::nullopt;
}

[[gnu::flatten]] void JsonValue::FindEach(std::span<const std::string_view> keys,
                                          std::span<std::optional<DomElement>> found) const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) return;
  uint32_t seen = 0;
  for (auto field = object.begin(); field != object.end(); ++field) {
    const std::string_view name = field.key();
    for (size_t i = 0; i < keys.size(); ++i) {
      if (name != keys[i]) continue;
      const DomElement member = field.value();
      // Of a key given twice the first one counts.
      if ((seen >> i & 1) == 0 && !member.is_null()) found[i] = member;
      seen |= uint32_t{1} << i;
      break;
    }
  }
}

Result<JsonValue> JsonValue::Require(std::string_view key) const {
  ALMAGEST_TRY_VOID(ExpectObject());
  std::optional<JsonValue> member = Find(key);
  if (!member) return Fail(MissingField(key));
  return *std::move(member);
}

Error JsonValue::MissingField(std::string_view key) const {
  return FormatError(path(), fmt::format("missing field `{}`", key));
}

Result<> JsonValue::RefuseUnknownKeys(std::initializer_list<std::string_view> known) const {
  simdjson::dom::object object;
  if (element_.get(object) != simdjson::SUCCESS) return Fail(TypeError("an object"));
  std::vector<std::string_view> seen;
  for (const auto& field : object) {
    if (std::find(seen.begin(), seen.end(), field.key) != seen.end()) {
      return Fail(FormatError(path(), fmt::format("duplicate field `{}`", field.key)));
    }
    if (std::find(known.begin(), known.end(), field.key) != known.end()) {
      seen.push_back(field.key);
      continue;
    }
    const std::string name(field.key.substr(0, 100));
    return Fail(FormatError(path(), known.size() == 0
                                        ? fmt::format("unknown field `{}`, expected none", name)
                                        : fmt::format("unknown field `{}`, expected one of {}",
                                                      name, KnownNames(known))));
  }
  return {};
}

Result<> JsonValue::RefuseKey(std::string_view key, std::string_view why) const {
  if (Find(key)) return Fail(UnsupportedError(ChildPath(key), why));
  return {};
}

Result<std::optional<bool>> JsonValue::FindBool(std::string_view key) const {
  return FindMember<bool>(*this, key, [](const JsonValue& v) { return v.AsBool(); });
}

Result<std::optional<uint64_t>> JsonValue::FindUnsigned(std::string_view key) const {
  return FindMember<uint64_t>(*this, key, [](const JsonValue& v) { return v.AsUnsigned(); });
}

Result<std::optional<double>> JsonValue::FindDouble(std::string_view key) const {
  return FindMember<double>(*this, key, [](const JsonValue& v) { return v.AsDouble(); });
}

Result<std::optional<std::string>> JsonValue::FindString(std::string_view key) const {
  return FindMember<std::string>(*this, key, [](const JsonValue& v) { return v.AsString(); });
}

Result<uint64_t> JsonValue::AsUnsignedIn(uint64_t lowest, uint64_t highest) const {
  ALMAGEST_TRY(const uint64_t value, AsUnsigned());
  if (value >= lowest && value <= highest) return value;
  return Fail(ValueError(path(), fmt::format("{}", value),
                         highest == UINT64_MAX ? fmt::format("{} or larger", lowest)
                                               : fmt::format("from {} to {}", lowest, highest)));
}

Result<double> JsonValue::AsDoubleIn(double lowest, double highest) const {
  ALMAGEST_TRY(const double value, AsDouble());
  if (value >= lowest && value <= highest) return value;
  return Fail(
      ValueError(path(), fmt::format("{}", value), fmt::format("from {} to {}", lowest, highest)));
}

std::string JsonValue::ToJson() const { return simdjson::minify(element_); }

Result<JsonValue> ParseJsonBody(std::string_view body) {
  thread_local simdjson::dom::parser parser;
  thread_local JsonPath::Steps steps;
  steps.clear();
  if (parser.capacity() > kParserCapacityKept && body.size() <= kParserCapacityKept) {
    parser = simdjson::dom::parser();
  }
  if (body.empty()) return Fail(FormatError("", "the body is empty"));
  // allocate() sets the depth; it keeps what is large enough already.
  if (parser.capacity() < body.size() || parser.max_depth() != kJsonDepthMax) {
    if (const auto error = parser.allocate(body.size(), kJsonDepthMax); error) {
      return Fail(FormatError("", simdjson::error_message(error)));
    }
  }
  simdjson::dom::element root;
  const auto error = parser.parse(body.data(), body.size()).get(root);
  if (!error) return JsonValue(root, JsonPath(steps));
  if (error == simdjson::DEPTH_ERROR) {
    return Fail(FormatError("", fmt::format("nested deeper than {} levels", kJsonDepthMax)));
  }
  const auto floats = WithLongIntegersAsFloats(body);
  if (floats && parser.parse(floats->data(), floats->size()).get(root) == simdjson::SUCCESS) {
    return JsonValue(root, JsonPath(steps));
  }
  return Fail(BrokenBody(body, error));
}

}  // namespace almagest
