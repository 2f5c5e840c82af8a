// A server for tests of the client: one socket, answers given in advance, requests recorded.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace almagest::client {

// Each answer is the raw bytes of one HTTP response. After an answer with `close` the connection is
// closed. Requests beyond the script get no answer and the connection stays open.
class ScriptedServer {
 public:
  struct Answer {
    std::string bytes;
    bool close = false;
  };
  ScriptedServer();
  ~ScriptedServer();

  // Call before the request that it answers.
  void Script(Answer answer);
  std::string Url() const;
  // Head and body of each request so far.
  std::vector<std::string> requests() const;
  int connections() const { return connections_; }

  // "HTTP/1.1 200 OK" with a Content-Length.
  static std::string Ok(const std::string& body);
  static std::string WithStatus(int status, const std::string& body,
                                const std::string& more_headers = "");

 private:
  void Run();
  // False when the peer closed.
  bool ServeOne(int socket);

  int listener_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::deque<Answer> script_;
  std::vector<std::string> requests_;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace almagest::client
