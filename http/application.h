// The dispatcher: routes, checks keys, runs handlers, wraps what they return into the envelope and
// counts. No I/O, so tests may call it without a socket.
//
// Thread safety: all functions may be called from any thread.
#pragma once

#include <string>

#include "http/router.h"
#include "http/server.h"
#include "http/service.h"

namespace almagest {

class Application : public Dispatcher {
 public:
  // `api_key` empty: everybody may call everything. The service outlives the application.
  Application(Service& service, std::string api_key);

  // In this order: 401 without the key (also for unknown paths), 404, 405, 415 (a body that is not
  // application/json: browsers cannot send that across sites without asking), 400 for a broken URL.
  std::optional<HttpResponse> Admit(HttpRequest& request) override;
  HttpResponse Handle(const HttpRequest& request) override;
  HttpResponse Refuse(unsigned status, const std::string& text) override;

  // Admit, then Handle.
  HttpResponse Serve(HttpRequest request);

 private:
  std::optional<HttpResponse> Check(HttpRequest& request);

  Service& service_;
  const std::string api_key_;
  const Router router_;
};

}  // namespace almagest
