// A TCP connection, plain or under TLS, behind the two calls that Asio's and Beast's algorithms ask
// of a stream. Includes Asio: for session.* and server.cpp only.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <utility>

namespace almagest {

// Not thread-safe: everything on its network thread.
class Transport {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

  // `tls` may be null. It lives as long as the connection, also when the server takes another one.
  Transport(Socket socket, TlsContext tls)
      : tls_context_(std::move(tls)), plain_(std::move(socket)) {
    if (tls_context_) tls_ = std::make_unique<Tls>(plain_, *tls_context_);
  }

  executor_type get_executor() { return plain_.get_executor(); }
  Socket& socket() { return plain_; }
  bool is_tls() const { return tls_ != nullptr; }

  template <class Token>
  auto async_handshake(Token&& token) {
    return tls_->async_handshake(boost::asio::ssl::stream_base::server, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_read_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
        [this](auto handler, const Buffers& bytes) {
          if (tls_) {
            tls_->async_read_some(bytes, std::move(handler));
          } else {
            plain_.async_read_some(bytes, std::move(handler));
          }
        },
        token, buffers);
  }
  template <class Buffers, class Token>
  auto async_write_some(const Buffers& buffers, Token&& token) {
    return boost::asio::async_initiate<Token, void(boost::system::error_code, size_t)>(
        [this](auto handler, const Buffers& bytes) {
          if (tls_) {
            tls_->async_write_some(bytes, std::move(handler));
          } else {
            plain_.async_write_some(bytes, std::move(handler));
          }
        },
        token, buffers);
  }

 private:
  using Tls = boost::asio::ssl::stream<Socket&>;
  TlsContext tls_context_;
  Socket plain_;
  std::unique_ptr<Tls> tls_;
};

}  // namespace almagest
