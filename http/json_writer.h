// Writes compact JSON into a string. Floats in the shortest form that reads back as the same value
// (so 0.05f is `0.05`); a value that is not finite becomes null, since JSON has no NaN. Strings are
// escaped; invalid UTF-8 becomes U+FFFD. Commas are placed by the writer.
//
// Not thread-safe: one object per response. Cost: about 30 ns per float.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace almagest {

class JsonWriter {
 public:
  JsonWriter() = default;
  // Goes on behind `prefix`, which ends where a value is due.
  explicit JsonWriter(std::string prefix) : text_(std::move(prefix)) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view name);

  JsonWriter& String(std::string_view value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  JsonWriter& Integer(int64_t value);
  JsonWriter& Unsigned(uint64_t value);
  JsonWriter& Float(float value);
  JsonWriter& Double(double value);
  // `json` is one complete JSON value.
  JsonWriter& Raw(std::string_view json);

  const std::string& text() const { return text_; }
  std::string Take() { return std::move(text_); }

 private:
  void BeforeValue();
  std::string text_;
  bool comma_due_ = false;  // A value was written at this level, so the next needs a comma.
};

// `text` as a JSON string, with its quotes.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace almagest
