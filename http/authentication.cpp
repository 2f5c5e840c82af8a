#include "http/authentication.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>
#include <chrono>

#include "http/json_web_token.h"

namespace almagest {
namespace {

// The header that counts; nullopt if there is none.
std::optional<std::string_view> GivenKey(const HttpRequest& request) {
  if (const std::string* key = request.FindHeader("api-key")) return *key;
  const std::string* authorization = request.FindHeader("authorization");
  if (authorization == nullptr) return std::nullopt;
  constexpr std::string_view kScheme = "bearer ";
  const bool is_bearer =
      authorization->size() >= kScheme.size() &&
      std::equal(kScheme.begin(), kScheme.end(), authorization->begin(),
                 [](char expected, char given) {
                   return expected == std::tolower(static_cast<unsigned char>(given));
                 });
  if (!is_bearer) return std::nullopt;
  return std::string_view(*authorization).substr(kScheme.size());
}

std::shared_ptr<const AccessRights> GlobalRights(AccessRights::Global global) {
  auto rights = std::make_shared<AccessRights>();
  rights->global = global;
  return rights;
}

bool Fits(std::string_view given, const std::string& key) {
  return !key.empty() && SecretsEqual(given, key);
}

Authentication Refuse(unsigned status, std::string text) {
  Authentication answer;
  answer.refusal = AccessRefusal(status, std::move(text));
  return answer;
}

Authentication Grant(std::shared_ptr<const AccessRights> rights) {
  Authentication answer;
  answer.rights = std::move(rights);
  return answer;
}

}  // namespace

bool SecretsEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

HttpResponse AccessRefusal(unsigned status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = "text/plain";
  response.body = std::move(text);
  return response;
}

Authentication Authenticate(const HttpRequest& request, const AuthenticationOptions& options) {
  static const auto kEverything = GlobalRights(AccessRights::Global::kManage);
  static const auto kReadOnly = GlobalRights(AccessRights::Global::kRead);
  if (!options.any()) return Grant(kEverything);
  const auto given = GivenKey(request);
  if (!given) {
    return Refuse(401, "Must provide an API key or an Authorization bearer token");
  }
  if (Fits(*given, options.api_key) || Fits(*given, options.alternative_api_key)) {
    return Grant(kEverything);
  }
  if (Fits(*given, options.read_only_api_key)) return Grant(kReadOnly);
  TokenVerdict worst = TokenVerdict::kMalformed;
  for (const std::string* key : {&options.api_key, &options.alternative_api_key}) {
    if (!options.tokens || key->empty()) continue;
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::system_clock::now().time_since_epoch());
    auto rights = std::make_shared<AccessRights>();
    const TokenVerdict verdict = ReadToken(*given, *key, now.count(), rights.get());
    if (verdict == TokenVerdict::kValid) return Grant(std::move(rights));
    if (worst == TokenVerdict::kMalformed) worst = verdict;
  }
  switch (worst) {
    case TokenVerdict::kInvalidSignature:
      return Refuse(403, "InvalidSignature");
    case TokenVerdict::kExpired:
      return Refuse(403, "ExpiredSignature");
    case TokenVerdict::kUnsupportedClaim:
      return Refuse(401, "Invalid JWT: constraints on payloads are not supported");
    default:
      return Refuse(401, "Invalid API key or JWT");
  }
}

bool IsLoopback(std::string_view host) {
  // Not "127.example.com", which is a name like any other.
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") &&
          host.find_first_not_of("0123456789.") == std::string_view::npos);
}

bool NamesThisMachine(std::string_view host_header) {
  const size_t colon = host_header.rfind(':');
  const size_t bracket = host_header.rfind(']');
  std::string_view host = host_header;
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::string name(host);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return IsLoopback(name) || name.ends_with(".localhost");
}

}  // namespace almagest
