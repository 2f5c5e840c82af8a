// The types of payload indexes and their parameters, apart from the indexes so that configuration
// can name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/text/tokenizer.h"
#include "storage/base/result.h"

namespace almagest {

enum class PayloadIndexType : uint8_t {
  kKeyword,
  kInteger,
  kFloat,
  kBool,
  kDatetime,
  kUuid,
  kGeo,
  kText,
};
std::string_view PayloadIndexTypeName(PayloadIndexType type);  // "keyword", "integer", ...
std::optional<PayloadIndexType> ParsePayloadIndexType(std::string_view name);

// An index as its creator described it: a type, or an object {"type": ..., parameters}.
struct PayloadIndexConfig {
  PayloadIndexType type = PayloadIndexType::kKeyword;
  bool prefix = false;    // Keyword: values in order, so that a prefix is a range of them.
  bool lookup = true;     // Integer: answers match conditions.
  bool range = true;      // Integer: answers ranges and orders.
  TokenizerOptions text;  // Text: how values and queries become tokens.
  bool phrase_matching =
      false;               // Text: keeps the order of the tokens; without it no phrase matches.
  bool is_tenant = false;  // Keyword, uuid: named in strict mode's messages.
  // The object as canonical JSON, without nulls; empty if only the type was given.
  std::string parameters;

  PayloadIndexConfig() : PayloadIndexConfig(PayloadIndexType::kKeyword) {}
  PayloadIndexConfig(PayloadIndexType index_type) : type(index_type) {  // NOLINT: a plain type.
    text.language = "none";  // Stop words and stems only where they are asked for.
  }
  bool operator==(const PayloadIndexConfig& other) const {
    return type == other.type && parameters == other.parameters;
  }
};

// From JSON text: a string or an object. kBadRequest naming the parameter for an unknown type or
// parameter or a wrong form; kOutOfRange for a value against its rule (tokens of length 5 to 3, an
// integer index for nothing).
Result<PayloadIndexConfig> ParsePayloadIndexConfig(std::string_view json);
// The JSON text that ParsePayloadIndexConfig reads back.
std::string PayloadIndexConfigToJson(const PayloadIndexConfig& config);

}  // namespace almagest
