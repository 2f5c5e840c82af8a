#include "tests/client/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace almagest::client {
namespace {

constexpr int kPollMs = 20;

}  // namespace

ScriptedServer::ScriptedServer() {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      listen(listener_, 8) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no socket for the scripted server");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  thread_.join();
  close(listener_);
}

void ScriptedServer::Script(Answer answer) {
  const std::lock_guard lock(mutex_);
  script_.push_back(std::move(answer));
}

std::string ScriptedServer::Url() const { return "http://127.0.0.1:" + std::to_string(port_); }

std::vector<std::string> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string ScriptedServer::Ok(const std::string& body) { return WithStatus(200, body); }

std::string ScriptedServer::WithStatus(int status, const std::string& body,
                                       const std::string& more_headers) {
  return "HTTP/1.1 " + std::to_string(status) + " x\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

void ScriptedServer::Run() {
  while (!stopping_) {
    pollfd ready = {listener_, POLLIN, 0};
    if (poll(&ready, 1, kPollMs) <= 0) continue;
    const int peer = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer < 0) continue;
    ++connections_;
    while (!stopping_ && ServeOne(peer)) {
    }
    close(peer);
  }
}

bool ScriptedServer::ServeOne(int peer) {
  std::string request;
  size_t need = std::string::npos;
  while (request.size() < need) {
    pollfd ready = {peer, POLLIN, 0};
    if (stopping_) return false;
    if (poll(&ready, 1, kPollMs) <= 0) continue;
    char bytes[4096];
    const ssize_t count = recv(peer, bytes, sizeof(bytes), 0);
    if (count <= 0) return false;
    request.append(bytes, static_cast<size_t>(count));
    const size_t head = request.find("\r\n\r\n");
    if (head == std::string::npos) continue;
    const size_t length = request.find("Content-Length: ");
    need = head + 4 +
           (length < head ? static_cast<size_t>(std::atoi(request.c_str() + length + 16)) : 0);
  }
  Answer answer;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
    if (script_.empty()) return true;
    answer = std::move(script_.front());
    script_.pop_front();
  }
  send(peer, answer.bytes.data(), answer.bytes.size(), MSG_NOSIGNAL);
  return !answer.close;
}

}  // namespace almagest::client
