#include "tests/http/raw_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace almagest {

RawClient::RawClient(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // A test that waits longer than this has found a hang.
  const timeval patience{30, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const int connected = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
  EXPECT_EQ(connected, 0);
}

RawClient::~RawClient() { close(fd_); }

bool RawClient::Send(const std::string& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t count = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

bool RawClient::Fill() {
  char bytes[16384];
  const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
  if (count <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(count));
  return true;
}

std::optional<RawClient::Response> RawClient::Read() {
  size_t end = buffer_.find("\r\n\r\n");
  while (end == std::string::npos) {
    if (!Fill()) return std::nullopt;
    end = buffer_.find("\r\n\r\n");
  }
  Response response;
  response.head = buffer_.substr(0, end + 2);
  response.status = static_cast<unsigned>(std::stoul(response.head.substr(9, 3)));
  const size_t field = response.head.find("Content-Length: ");
  const size_t length =
      field == std::string::npos ? 0 : std::stoul(response.head.substr(field + 16));
  while (buffer_.size() < end + 4 + length) {
    if (!Fill()) return std::nullopt;
  }
  response.body = buffer_.substr(end + 4, length);
  buffer_.erase(0, end + 4 + length);
  return response;
}

std::string RawClient::ReadToEnd() {
  while (Fill()) {
  }
  return std::move(buffer_);
}

RawClient::Response Ask(uint16_t port, const std::string& method, const std::string& target,
                        const std::string& body) {
  RawClient client(port);
  std::string request = method + " " + target + " HTTP/1.1\r\nHost: test\r\n";
  if (!body.empty()) {
    request +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  client.Send(request + "\r\n" + body);
  const auto response = client.Read();
  EXPECT_TRUE(response.has_value());
  return response.value_or(RawClient::Response());
}

}  // namespace almagest
