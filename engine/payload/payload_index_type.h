// The types of payload indexes, apart from the indexes so that configuration can name them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace almagest {

enum class PayloadIndexType : uint8_t { kKeyword, kInteger, kFloat, kBool, kDatetime, kUuid };
std::string_view PayloadIndexTypeName(PayloadIndexType type);  // "keyword", "integer", ...
std::optional<PayloadIndexType> ParsePayloadIndexType(std::string_view name);

}  // namespace almagest
