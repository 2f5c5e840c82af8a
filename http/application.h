// The dispatcher: routes, checks keys, runs handlers, wraps what they return into the envelope and
// counts. No I/O, so tests may call it without a socket.
//
// Thread safety: all functions may be called from any thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "http/authentication.h"
#include "http/router.h"
#include "http/search_pace.h"
#include "http/server.h"
#include "http/service.h"
#include "http/strict_mode.h"

namespace almagest {

struct ApplicationOptions {
  AuthenticationOptions authentication;
  bool cross_origin = false;  // Answer to browsers of every origin (cross_origin.h).
  // Answers of at least this many bytes are compressed for clients that take gzip. Below, the time
  // it takes is more than a network of our days needs for the bytes.
  size_t compressed_bytes_min = 16u << 10;
  size_t body_bytes_max = 32u << 20;  // Of unpacked bodies: what ServerOptions say of sent ones.
  // Searches that take at most so long are answered on the network thread (search_pace.h). Five
  // times what handing them on would take: other connections wait no longer than that.
  std::chrono::nanoseconds search_at_once_max{100'000};
  // Answer only those who call this machine by a name of its own (NamesThisMachine): for a server
  // that anybody on it may use, and nobody else.
  bool local_names_only = false;
};

class Application : public Dispatcher {
 public:
  // The service outlives the application.
  Application(Service& service, ApplicationOptions options);

  // In this order: 401 without a valid key or token (also for unknown paths), 404, 405, 403 where
  // the rights do not reach, 415 (a body of another type: browsers cannot send JSON across sites
  // without asking; or in another encoding than gzip), 400 for a broken URL. An upload is given a
  // place in the snapshots' folder.
  std::optional<HttpResponse> Admit(HttpRequest& request) override;
  // Whether the point exists that a token depends on.
  bool NeedsConfirmation(const HttpRequest& request) const override;
  std::optional<HttpResponse> Confirm(const HttpRequest& request) override;
  std::optional<HttpResponse> HandleAtOnce(const HttpRequest& request) override;
  HttpResponse Handle(const HttpRequest& request) override;
  HttpResponse Refuse(unsigned status, const std::string& text) override;

  // Admit, Confirm, HandleAtOnce, Handle.
  HttpResponse Serve(HttpRequest request);

 private:
  std::optional<HttpResponse> Check(HttpRequest& request);
  HttpResponse HandlePlain(const HttpRequest& request);
  // What every answer of a handler goes through: counted, logged, compressed.
  void Finish(const HttpRequest& request, double seconds, HttpResponse& response);
  void Compress(const HttpRequest& request, HttpResponse& response) const;

  Service& service_;
  const ApplicationOptions options_;
  const Router router_;
  StrictMode strict_mode_;
  SearchPace pace_;
};

}  // namespace almagest
