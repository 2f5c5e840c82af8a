// The HTTP/1.1 server: accepts connections, enforces limits, hands requests to a dispatcher and
// sends the responses in the order of the requests.
//
// Network threads run the connections as coroutines, each those that came to it when it had the
// fewest. They ask the dispatcher for what it can answer at once; the rest goes to worker threads.
// Nothing of Asio or Beast shows here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http/http_message.h"
#include "storage/base/result.h"

namespace almagest {

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one.
  unsigned network_threads = 2;
  unsigned worker_threads = 4;
  // PEM files, both or none: HTTPS with TLS 1.2 and up, and nothing else on the port. Changed files
  // are taken within `tls_reload_interval`, for connections made from then on; files that cannot be
  // used leave the old ones in place, with a log line.
  std::string tls_certificate_file;
  std::string tls_key_file;
  std::chrono::milliseconds tls_reload_interval{10'000};
  size_t queue_length_max = 1024;                    // Requests waiting for a worker; beyond: 503.
  size_t connection_count_max = 2048;                // Beyond, new connections are closed at once.
  uint64_t body_bytes_max = 32u << 20;               // Also of chunked bodies; beyond: 413.
  uint64_t upload_bytes_max = uint64_t{64} << 30;    // Of bodies that go to a file.
  uint32_t header_bytes_max = 16u << 10;             // Beyond: 431.
  std::chrono::milliseconds idle_timeout{75'000};    // Between requests; then closed.
  std::chrono::milliseconds header_timeout{10'000};  // First byte to last header; then 408.
  std::chrono::milliseconds body_timeout{60'000};    // Whole body, or a MiB of an upload; then 408.
  std::chrono::milliseconds write_timeout{60'000};   // Whole response (each chunk of a stream).
  std::chrono::milliseconds drain_timeout{10'000};   // Stop(): for requests that are under way.
};

// What the server asks. All are called from several threads at once.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;
  // With the headers read and the body not yet, on a network thread: an answer refuses the
  // request (no route, no key), nullopt lets it in. Must be quick. `query_params` comes in as one
  // unnamed value, the raw query string; this fills it, path_params and route.
  virtual std::optional<HttpResponse> Admit(HttpRequest& request) = 0;
  // On a worker, still before the body, for requests that Admit let in and this says yes to:
  // an answer refuses the request.
  virtual bool NeedsConfirmation(const HttpRequest&) const { return false; }
  virtual std::optional<HttpResponse> Confirm(const HttpRequest&) { return std::nullopt; }
  // On a network thread, with the body read: the answer to a request that is answered sooner than
  // handed to a worker, and without waiting for anything; nullopt for all others. Does not throw.
  virtual std::optional<HttpResponse> HandleAtOnce(const HttpRequest&) { return std::nullopt; }
  // On a worker. Does not throw.
  virtual HttpResponse Handle(const HttpRequest& request) = 0;
  // A response that the server makes itself (limits, timeouts, broken HTTP).
  virtual HttpResponse Refuse(unsigned status, const std::string& text) = 0;
};

class Server {
 public:
  // Binds and starts to serve. kFailedPrecondition "127.0.0.1:7333 is in use", kInvalidArgument
  // for an address that cannot be resolved or TLS files that cannot be used. The dispatcher
  // outlives the server.
  static Result<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                               Dispatcher& dispatcher);
  // Stops, if Stop() was not called.
  ~Server();

  uint16_t port() const;
  // Accepts no more, closes idle connections, lets requests under way finish (at most
  // drain_timeout), then returns. Requests that come in meanwhile get no answer.
  void Stop();

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Blocks until SIGTERM or SIGINT arrives. Call BlockStopSignals first, before any thread starts.
void BlockStopSignals();
int WaitForStopSignal();

}  // namespace almagest
