// Reads a request body: a JSON value that knows its place ("points[3].vector"), so that every error
// names the field. Built on simdjson's DOM; broken UTF-8, trailing bytes, numbers beyond a double
// and nesting deeper than kJsonDepthMax are refused while parsing. A whole number beyond 64 bits is
// a floating-point one.
//
// Objects are open unless a parser calls RefuseUnknownKeys. A member that is null counts as absent,
// as in Qdrant. Of a key given twice the first one counts, and RefuseUnknownKeys refuses it.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// A query tree of kQueryDepthMax takes two levels per node, plus its filter.
inline constexpr size_t kJsonDepthMax = 160;

// Where a value stands in its body: "points[3].vector". Steps are put into words only when somebody
// asks: a body has thousands of values, and at most one of them is named in an error. Keys are
// views into the document, so a path lives no longer than it. Copying costs no allocation.
class JsonPath {
 public:
  JsonPath() = default;
  // Of a document that itself stands at `start` of another one.
  explicit JsonPath(std::string start)
      : start_(std::make_shared<const std::string>(std::move(start))) {}
  JsonPath Child(std::string_view key) const { return With({key.data(), key.size()}); }
  JsonPath Child(size_t index) const { return With({nullptr, index}); }
  std::string ToString() const;  // Empty for the body itself.

 private:
  static constexpr size_t kStepsMax = 4;  // points[3].vector.name
  struct Step {
    const char* key;  // Null: an index.
    size_t size;      // Of the key, or the index.
  };
  JsonPath With(Step step) const;

  std::shared_ptr<const std::string> start_;  // The steps before; null for none.
  std::array<Step, kStepsMax> steps_{};
  size_t step_count_ = 0;
};

class JsonValue {
 public:
  JsonValue(simdjson::dom::element element, JsonPath path)
      : element_(element), path_(std::move(path)) {}

  std::string path() const { return path_.ToString(); }
  simdjson::dom::element element() const { return element_; }

  bool IsNull() const { return element_.is_null(); }
  bool IsObject() const { return element_.is_object(); }
  bool IsArray() const { return element_.is_array(); }
  bool IsString() const { return element_.is_string(); }
  bool IsBool() const { return element_.is_bool(); }
  bool IsNumber() const { return element_.is_number(); }

  // All of these: 400 naming the path when the value has another type.
  Result<> ExpectObject() const;
  Result<bool> AsBool() const;
  Result<std::string_view> AsString() const;  // Valid while the document is.
  Result<uint64_t> AsUnsigned() const;        // A whole number 0..2^64-1.
  Result<int64_t> AsInteger() const;
  Result<double> AsDouble() const;
  Result<std::vector<JsonValue>> Items() const;
  Result<std::vector<std::pair<std::string_view, JsonValue>>> Members() const;
  Result<std::vector<std::string>> AsStrings() const;  // An array of strings.

  // The member of that name; nullopt when there is none, it is null, or this is no object.
  std::optional<JsonValue> Find(std::string_view key) const;
  // 400 "missing field `key`".
  Result<JsonValue> Require(std::string_view key) const;
  // 400 naming the first key that is not in `known`, and the known ones.
  Result<> RefuseUnknownKeys(std::initializer_list<std::string_view> known) const;
  // 400 naming `key` and the reason if it is there and not null.
  Result<> RefuseKey(std::string_view key, std::string_view why) const;

  // Members with a default for absence.
  Result<std::optional<bool>> FindBool(std::string_view key) const;
  Result<std::optional<uint64_t>> FindUnsigned(std::string_view key) const;
  Result<std::optional<double>> FindDouble(std::string_view key) const;
  Result<std::optional<std::string>> FindString(std::string_view key) const;

  // A whole number in lowest..highest: 400 for another type, 422 naming value and limits.
  Result<uint64_t> AsUnsignedIn(uint64_t lowest, uint64_t highest) const;
  Result<double> AsDoubleIn(double lowest, double highest) const;

  // The value as compact JSON text.
  std::string ToJson() const;
  JsonValue Child(simdjson::dom::element item, size_t index) const {
    return JsonValue(item, path_.Child(index));
  }
  std::string ChildPath(std::string_view key) const { return path_.Child(key).ToString(); }
  std::string ChildPath(size_t index) const { return path_.Child(index).ToString(); }

 private:
  Error TypeError(std::string_view expected) const;

  simdjson::dom::element element_;
  JsonPath path_;
};

// The parsed body. Valid until the same thread parses again (the parser is reused per thread).
// 400 for an empty or broken body.
Result<JsonValue> ParseJsonBody(std::string_view body);

}  // namespace almagest
