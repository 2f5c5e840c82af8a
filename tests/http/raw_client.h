// A socket and nothing more: sends bytes as they are and reads answers, so that tests can be rude.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace almagest {

class RawClient {
 public:
  explicit RawClient(uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False when the server closed the connection while sending.
  bool Send(const std::string& bytes);

  struct Response {
    unsigned status = 0;
    std::string head;
    std::string body;
  };
  // The next response with a Content-Length; nullopt when the connection ended first.
  std::optional<Response> Read();
  // Everything until the connection ends.
  std::string ReadToEnd();

 private:
  bool Fill();  // Reads some bytes; false at the end.
  int fd_ = -1;
  std::string buffer_;
};

// One request on a connection of its own.
RawClient::Response Ask(uint16_t port, const std::string& method, const std::string& target,
                        const std::string& body = "");

}  // namespace almagest
