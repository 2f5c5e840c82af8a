// One keep-alive HTTP/1.1 connection to a server, with timeouts. Blocking.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "client/client_error.h"

namespace almagest::client {

struct ServerAddress {
  std::string host;    // Name or IP address (IPv6 without brackets).
  std::string port;    // Decimal.
  std::string prefix;  // Path before every target: "" or "/some/prefix", without a final slash.
};
// "http://host[:port][/prefix]"; without a port 80. Throws ClientError naming the URL for other
// schemes (the server speaks plain HTTP; put a TLS proxy on the same machine as the client) and
// for broken ones.
ServerAddress ParseServerUrl(std::string_view url);

struct ConnectionOptions {
  ServerAddress address;
  std::string api_key;  // Empty: none is sent.
  std::chrono::milliseconds connect_timeout{5'000};
  // From sending a request to the last byte of its answer; for a stream: between two reads.
  std::chrono::milliseconds request_timeout{120'000};
};

struct HttpResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;
};

// Connects on first use and again after a failure. A connection that the server has closed while
// it was idle is noticed before sending; one that breaks while a GET, PUT or DELETE is under way is
// replaced and the request sent once more (these are idempotent). A broken POST is the caller's to
// repeat. Not thread-safe: one thread at a time.
class Connection {
 public:
  explicit Connection(ConnectionOptions options);
  ~Connection();
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;

  // `target` begins with '/', already percent-encoded. Returns any HTTP answer, errors too; throws
  // ClientError (status 0) when there is none.
  HttpResponse Send(std::string_view method, std::string_view target, std::string body = {},
                    std::string_view content_type = "application/json");

  // GET whose answer is read as it comes: `on_bytes` sees the body in order and returns false to
  // stop. Returns the answer without the streamed body; with an error status (>= 400) nothing is
  // streamed and the body is in the answer. The connection is closed afterwards.
  HttpResponse Stream(std::string_view target, std::string_view accept,
                      const std::function<bool(std::string_view)>& on_bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace almagest::client
