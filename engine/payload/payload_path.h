// Paths into a payload, in Qdrant's language: `a.b` (keys), `a[]` (every element of an array),
// `a[0].b` (one element), `"a.b"` (a quoted key). An unquoted key consists of letters, digits,
// `_` and `-` (and any non-ASCII letter); a quoted one holds anything but `"` and `\`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

class PayloadPath {
 public:
  struct Key {
    std::string name;
    bool operator==(const Key&) const = default;
  };
  struct Index {
    uint64_t position = 0;
    bool operator==(const Index&) const = default;
  };
  struct Wildcard {
    bool operator==(const Wildcard&) const = default;
  };
  using Step = std::variant<Key, Index, Wildcard>;
  static constexpr size_t kStepsMax = 64;

  // kInvalidArgument names the path and the position of the first fault. The first step is a key.
  static Result<PayloadPath> Parse(std::string_view text);

  const std::vector<Step>& steps() const { return steps_; }
  // One spelling per path (keys quoted only where they must be).
  std::string ToString() const;
  // The elements of the array at this path: ends in `[]`.
  PayloadPath Elements() const;
  // This path, then `inner`.
  PayloadPath Append(const PayloadPath& inner) const;
  bool operator==(const PayloadPath&) const = default;

 private:
  std::vector<Step> steps_;
};

}  // namespace almagest
