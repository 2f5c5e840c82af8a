// The one exception of the client library.
#pragma once

#include <stdexcept>
#include <string>

namespace almagest::client {

// Something a call could not do. what() is one sentence fit for a terminal: the server's own
// message where it answered, else what happened to the connection, file or argument.
class ClientError : public std::runtime_error {
 public:
  // status: the HTTP status of the answer; 0 when there was none (refused, cut, timed out) or when
  // the mistake is local (a file, an argument). retry_after: seconds the server asked to wait, or
  // 0.
  explicit ClientError(const std::string& message, int status = 0, int retry_after = 0)
      : std::runtime_error(message), status_(status), retry_after_(retry_after) {}
  // No server answered: not found, refused, cut off or too slow.
  static ClientError Unreachable(const std::string& message) {
    ClientError error(message);
    error.unreachable_ = true;
    return error;
  }

  int status() const { return status_; }
  int retry_after() const { return retry_after_; }
  bool unreachable() const { return unreachable_; }
  // The server asks to try again later: 429 (too many requests) and 503 (not ready, busy).
  bool Retryable() const { return status_ == 429 || status_ == 503; }

 private:
  int status_;
  int retry_after_;
  bool unreachable_ = false;
};

}  // namespace almagest::client
