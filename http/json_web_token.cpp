#include "http/json_web_token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <optional>

#include "http/json_reader.h"
#include "http/json_writer.h"

namespace almagest {
namespace {

constexpr size_t kTokenBytesMax = 8192;
constexpr int64_t kLeewaySeconds = 30;

int Digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  if (c == '_') return 63;
  return -1;
}

// base64url without padding (RFC 4648, 5); left-over bits must be zero, so that a text has one
// form.
std::optional<std::string> DecodeBase64Url(std::string_view text) {
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int digit = Digit(c);
    if (digit < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes += static_cast<char>(bits >> count & 0xff);
  }
  if (count >= 6 || (bits & ((1u << count) - 1)) != 0) return std::nullopt;
  return bytes;
}

bool SignatureFits(std::string_view signed_part, std::string_view signature, std::string_view key) {
  unsigned char expected[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(signed_part.data()), signed_part.size(), expected,
           &size) == nullptr) {
    return false;
  }
  return signature.size() == size && CRYPTO_memcmp(signature.data(), expected, size) == 0;
}

Result<AccessRights::Mode> ParseMode(const JsonValue& value) {
  ALMAGEST_TRY(const std::string_view text, value.AsString());
  if (text == "r") return AccessRights::Mode::kRead;
  if (text == "rw") return AccessRights::Mode::kAll;
  if (text == "prw") return AccessRights::Mode::kPoints;
  return Fail(ErrorCode::kInvalidArgument, "unknown access");
}

// `constrained`: a payload constraint was found.
Result<> ParseAccess(const JsonValue& access, AccessRights* rights, bool* constrained) {
  if (access.IsString()) {
    ALMAGEST_TRY(const std::string_view text, access.AsString());
    if (text != "r" && text != "m") return Fail(ErrorCode::kInvalidArgument, "unknown access");
    rights->global = text == "m" ? AccessRights::Global::kManage : AccessRights::Global::kRead;
    return {};
  }
  ALMAGEST_TRY(const auto items, access.Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY_VOID(item.ExpectObject());
    ALMAGEST_TRY(const JsonValue collection, item.Require("collection"));
    ALMAGEST_TRY(const std::string_view name, collection.AsString());
    ALMAGEST_TRY(const JsonValue mode, item.Require("access"));
    // Of a name given twice the last counts.
    ALMAGEST_TRY(rights->collections[std::string(name)], ParseMode(mode));
    *constrained = *constrained || item.Find("payload").has_value();
  }
  return {};
}

Result<AccessRights::Condition> ReadTokenCondition(const JsonValue& claim) {
  AccessRights::Condition condition;
  ALMAGEST_TRY(const JsonValue collection, claim.Require("collection"));
  ALMAGEST_TRY(const std::string_view name, collection.AsString());
  condition.collection = name;
  ALMAGEST_TRY(const JsonValue matches, claim.Require("matches"));
  ALMAGEST_TRY(const auto items, matches.Items());
  JsonWriter filter;
  filter.BeginObject().Key("must").BeginArray();
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const JsonValue key, item.Require("key"));
    ALMAGEST_TRY(const std::string_view path, key.AsString());
    ALMAGEST_TRY(const JsonValue value, item.Require("value"));
    if (!value.IsString() && !value.IsBool()) ALMAGEST_TRY_VOID(value.AsInteger());
    filter.BeginObject().Key("key").String(path).Key("match").BeginObject().Key("value");
    filter.Raw(value.ToJson()).EndObject().EndObject();
  }
  filter.EndArray().EndObject();
  condition.filter_json = filter.Take();
  return condition;
}

Result<> ParseClaims(const JsonValue& claims, AccessRights* rights, std::optional<uint64_t>* expiry,
                     bool* constrained) {
  ALMAGEST_TRY_VOID(claims.ExpectObject());
  ALMAGEST_TRY(*expiry, claims.FindUnsigned("exp"));
  if (const auto access = claims.Find("access")) {
    ALMAGEST_TRY_VOID(ParseAccess(*access, rights, constrained));
  } else {
    rights->global = AccessRights::Global::kManage;
  }
  if (const auto value_exists = claims.Find("value_exists")) {
    ALMAGEST_TRY(rights->condition, ReadTokenCondition(*value_exists));
  }
  return {};
}

bool IsHs256(const std::string& header) {
  const auto json = ParseJsonBody(header);
  if (!json || !json->IsObject()) return false;
  const auto algorithm = json->FindString("alg");
  return algorithm && *algorithm == "HS256";
}

}  // namespace

TokenVerdict ReadToken(std::string_view token, std::string_view key, int64_t now,
                       AccessRights* rights) {
  const size_t first_dot = token.find('.');
  const size_t last_dot = token.rfind('.');
  if (token.size() > kTokenBytesMax || first_dot == std::string_view::npos ||
      first_dot == last_dot) {
    return TokenVerdict::kMalformed;
  }
  const auto header = DecodeBase64Url(token.substr(0, first_dot));
  const auto claims = DecodeBase64Url(token.substr(first_dot + 1, last_dot - first_dot - 1));
  const auto signature = DecodeBase64Url(token.substr(last_dot + 1));
  if (!header || !claims || !signature || !IsHs256(*header)) return TokenVerdict::kMalformed;
  // Before anything in the claims counts.
  if (!SignatureFits(token.substr(0, last_dot), *signature, key)) {
    return TokenVerdict::kInvalidSignature;
  }
  AccessRights parsed;
  std::optional<uint64_t> expiry;
  bool constrained = false;
  const auto json = ParseJsonBody(*claims);
  if (!json || !ParseClaims(*json, &parsed, &expiry, &constrained)) {
    return TokenVerdict::kMalformed;
  }
  if (expiry && *expiry < static_cast<uint64_t>(now > kLeewaySeconds ? now - kLeewaySeconds : 0)) {
    return TokenVerdict::kExpired;
  }
  if (constrained) return TokenVerdict::kUnsupportedClaim;
  *rights = std::move(parsed);
  return TokenVerdict::kValid;
}

}  // namespace almagest
