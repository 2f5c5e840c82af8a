#include "tests/bench/http_connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <utility>

namespace almagest::bench {
namespace {

tl::unexpected<Error> Broken(const char* what) {
  return Fail(ErrorCode::kUnavailable, std::string("the connection broke: ") + what);
}

}  // namespace

bool FindContentLength(std::string_view head, size_t* length) {
  constexpr std::string_view kName = "\r\ncontent-length:";
  for (size_t i = 0; i + kName.size() <= head.size(); ++i) {
    if (strncasecmp(head.data() + i, kName.data(), kName.size()) != 0) continue;
    std::string_view rest = head.substr(i + kName.size());
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    return std::from_chars(rest.data(), rest.data() + rest.size(), *length).ec == std::errc();
  }
  return false;
}

Result<HttpConnection> HttpConnection::Open(uint16_t port) {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HttpConnection connection(socket);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (socket < 0 ||
      ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Fail(ErrorCode::kUnavailable, std::string("cannot connect: ") + std::strerror(errno));
  }
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connection;
}

HttpConnection::HttpConnection(HttpConnection&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), received_(std::move(other.received_)) {}

HttpConnection::~HttpConnection() {
  if (socket_ >= 0) ::close(socket_);
}

Result<HttpConnection::Answer> HttpConnection::Send(std::string_view method,
                                                    std::string_view target, std::string_view body,
                                                    std::string_view content_type) {
  std::string head;
  head.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: localhost\r\n");
  if (!body.empty()) {
    head.append("Content-Type: ").append(content_type).append("\r\n");
    head.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  }
  head.append("\r\n");
  iovec parts[] = {{head.data(), head.size()}, {const_cast<char*>(body.data()), body.size()}};
  size_t left = head.size() + body.size();
  while (left > 0) {
    const ssize_t sent = ::writev(socket_, parts, 2);
    if (sent <= 0) return Broken("writing");
    left -= static_cast<size_t>(sent);
    auto skip = static_cast<size_t>(sent);
    for (iovec& part : parts) {
      const size_t done = std::min(skip, part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + done;
      part.iov_len -= done;
      skip -= done;
    }
  }
  received_.clear();
  size_t head_end = std::string::npos;
  size_t length = 0;
  char buffer[1 << 16];
  while (head_end == std::string::npos || received_.size() < head_end + length) {
    const ssize_t count = ::read(socket_, buffer, sizeof buffer);
    if (count <= 0) return Broken("reading");
    received_.append(buffer, static_cast<size_t>(count));
    if (head_end != std::string::npos) continue;
    const size_t end = received_.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    if (!FindContentLength(std::string_view(received_).substr(0, end), &length)) {
      return Broken("no length");
    }
    head_end = end + 4;
  }
  Answer answer;
  if (received_.size() < 12) return Broken("no status");
  std::from_chars(received_.data() + 9, received_.data() + 12, answer.status);
  answer.body = received_.substr(head_end, length);
  return answer;
}

}  // namespace almagest::bench
