#include "http/authentication.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <cctype>

namespace almagest {

bool SecretsEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool IsAuthorized(const HttpRequest& request, const std::string& api_key) {
  if (api_key.empty()) return true;
  if (const std::string* key = request.FindHeader("api-key")) return SecretsEqual(*key, api_key);
  const std::string* authorization = request.FindHeader("authorization");
  if (authorization == nullptr) return false;
  constexpr std::string_view kScheme = "bearer ";
  if (authorization->size() <= kScheme.size()) return false;
  const bool is_bearer = std::equal(
      kScheme.begin(), kScheme.end(), authorization->begin(), [](char expected, char given) {
        return expected == std::tolower(static_cast<unsigned char>(given));
      });
  return is_bearer &&
         SecretsEqual(std::string_view(*authorization).substr(kScheme.size()), api_key);
}

HttpResponse UnauthorizedResponse() {
  HttpResponse response;
  response.status = 401;
  response.content_type = "text/plain";
  response.body = "Must provide an API key or an Authorization bearer token";
  return response;
}

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace almagest
