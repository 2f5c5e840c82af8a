#include "tests/bench/canned_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/bench/http_connection.h"

namespace almagest::bench {

Result<std::unique_ptr<CannedServer>> CannedServer::Start(std::string answer) {
  std::unique_ptr<CannedServer> server(new CannedServer(std::move(answer)));
  server->listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (server->listener_ < 0 || ::bind(server->listener_, generic, length) != 0 ||
      ::listen(server->listener_, SOMAXCONN) != 0 ||
      ::getsockname(server->listener_, generic, &length) != 0) {
    return Fail(ErrorCode::kUnavailable, std::string("cannot listen: ") + std::strerror(errno));
  }
  server->port_ = ntohs(address.sin_port);
  server->accepting_ = std::thread([self = server.get()] { self->Accept(); });
  return server;
}

CannedServer::~CannedServer() { Stop(); }

double CannedServer::Stop() {
  if (listener_ >= 0) ::shutdown(listener_, SHUT_RDWR);  // Ends accept().
  if (accepting_.joinable()) accepting_.join();
  for (std::thread& connection : connections_) connection.join();
  connections_.clear();
  if (listener_ >= 0) ::close(listener_);
  listener_ = -1;
  return static_cast<double>(cpu_ns_.load()) * 1e-9;
}

void CannedServer::Accept() {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_.emplace_back([this, socket] { Serve(socket); });
  }
}

void CannedServer::Serve(int socket) const {
  std::string received;
  char buffer[1 << 16];
  size_t wanted = std::string::npos;  // Bytes of the request, once its head is there.
  while (true) {
    const ssize_t count = ::read(socket, buffer, sizeof buffer);
    if (count <= 0) break;
    received.append(buffer, static_cast<size_t>(count));
    if (wanted == std::string::npos) {
      const size_t end = received.find("\r\n\r\n");
      if (end == std::string::npos) continue;
      size_t length = 0;
      FindContentLength(std::string_view(received).substr(0, end), &length);
      wanted = end + 4 + length;
    }
    if (received.size() < wanted) continue;
    received.clear();
    wanted = std::string::npos;
    size_t sent = 0;
    while (sent < answer_.size()) {
      const ssize_t written =
          ::send(socket, answer_.data() + sent, answer_.size() - sent, MSG_NOSIGNAL);
      if (written <= 0) break;
      sent += static_cast<size_t>(written);
    }
    if (sent < answer_.size()) break;
  }
  ::close(socket);
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  cpu_ns_ += spent.tv_sec * 1'000'000'000 + spent.tv_nsec;
}

}  // namespace almagest::bench
