// One keep-alive HTTP/1.1 connection to a server on this machine, as thin as can be: what a load
// generator spends is time that the server does not get.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/result.h"

namespace almagest::bench {

// The Content-Length of a message's head, which begins with its first line; false without one.
bool FindContentLength(std::string_view head, size_t* length);

class HttpConnection {
 public:
  static Result<HttpConnection> Open(uint16_t port);
  HttpConnection(HttpConnection&& other) noexcept;
  HttpConnection& operator=(HttpConnection&&) = delete;
  ~HttpConnection();

  struct Answer {
    unsigned status = 0;
    std::string body;
  };
  // A body is sent with the content type if it is not empty. kUnavailable when the connection
  // breaks. Answers need a Content-Length.
  Result<Answer> Send(std::string_view method, std::string_view target, std::string_view body,
                      std::string_view content_type = "application/json");
  // The bytes of the last answer, its head included.
  const std::string& received() const { return received_; }

 private:
  explicit HttpConnection(int socket) : socket_(socket) {}
  int socket_ = -1;
  std::string received_;
};

}  // namespace almagest::bench
