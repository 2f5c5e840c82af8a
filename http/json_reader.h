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
#include <deque>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

// A query tree of kQueryDepthMax takes two levels per node, plus its filter.
inline constexpr size_t kJsonDepthMax = 160;

// Where a value stands in its body: "points[3].vector". Steps are put into words only when somebody
// asks: a body has thousands of values, and at most one of them is named in an error. A path is the
// end of a chain of steps that its document keeps, so copying it is copying two pointers; it lives
// no longer than the document. One thread at a time per document.
class JsonPath {
 public:
  struct Step {
    const Step* before;  // Null: the body.
    const char* key;     // Null: an index. Else a view into the document.
    size_t size;         // Of the key, or the index.
  };
  using Steps = std::deque<Step>;  // Never moves what it holds.

  // Of a body; its values' steps go into `steps`.
  explicit JsonPath(Steps& steps) : steps_(&steps) {}
  JsonPath Child(std::string_view key) const { return With(key.data(), key.size()); }
  JsonPath Child(size_t index) const { return With(nullptr, index); }
  std::string ToString() const;  // Empty for the body itself.

 private:
  JsonPath With(const char* key, size_t size) const {
    JsonPath path = *this;
    path.last_ = &steps_->emplace_back(Step{last_, key, size});
    return path;
  }

  Steps* steps_;
  const Step* last_ = nullptr;
};

class JsonValue {
 public:
  JsonValue(simdjson::dom::element element, JsonPath path) : element_(element), path_(path) {}

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
  // For a list that may be long: its values are Child(item, index).
  Result<simdjson::dom::array> AsArray() const;
  Result<std::vector<JsonValue>> Items() const;
  Result<std::vector<std::pair<std::string_view, JsonValue>>> Members() const;
  Result<std::vector<std::string>> AsStrings() const;  // An array of strings.

  // The member of that name; nullopt when there is none, it is null, or this is no object.
  std::optional<JsonValue> Find(std::string_view key) const;
  // Find of several keys in one pass over the members, without their paths: what reading thousands
  // of points takes. A member with its path is Child(element, key).
  template <size_t N>
  std::array<std::optional<simdjson::dom::element>, N> FindEach(
      const std::array<std::string_view, N>& keys) const {
    static_assert(N <= 32);
    std::array<std::optional<simdjson::dom::element>, N> found;
    FindEach(keys, found);
    return found;
  }
  // 400 "missing field `key`".
  Result<JsonValue> Require(std::string_view key) const;
  Error MissingField(std::string_view key) const;
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
  // `key` lives as long as the document.
  JsonValue Child(simdjson::dom::element member, std::string_view key) const {
    return JsonValue(member, path_.Child(key));
  }
  std::string ChildPath(std::string_view key) const { return path_.Child(key).ToString(); }
  std::string ChildPath(size_t index) const { return path_.Child(index).ToString(); }

 private:
  Error TypeError(std::string_view expected) const;
  void FindEach(std::span<const std::string_view> keys,
                std::span<std::optional<simdjson::dom::element>> found) const;

  simdjson::dom::element element_;
  JsonPath path_;
};

// The parsed body. Valid until the same thread parses again (the parser is reused per thread).
// 400 for an empty or broken body.
Result<JsonValue> ParseJsonBody(std::string_view body);

}  // namespace almagest
