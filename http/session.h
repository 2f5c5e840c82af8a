// One connection. Includes Asio: only server.cpp and session.cpp may include this.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "http/operation_timer.h"
#include "http/server.h"
#include "http/transport.h"
#include "http/worker_pool.h"

namespace almagest {

// What all sessions of a network thread share. Lives as long as the thread.
struct SessionContext {
  const ServerOptions& options;
  Dispatcher& dispatcher;
  WorkerPool& workers;
  bool draining = false;  // This network thread only.
};

// Everything of it runs on one network thread, so nothing needs a lock.
class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  // `tls` may be null: plain HTTP.
  Session(Socket socket, Transport::TlsContext tls, SessionContext& context);

  // Serves requests until the connection ends.
  boost::asio::awaitable<void> Run();
  // Closes the connection if no request is under way; else it closes after the answer.
  void Drain();
  // Closes the connection whatever it does.
  void Abort();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  boost::asio::awaitable<bool> Handshake();
  boost::asio::awaitable<bool> WaitForRequest();
  // One request and its answer; false when the connection shall end.
  boost::asio::awaitable<bool> ServeOne();
  // The rest of a request whose head `parser` has read; false when it could not be read, which was
  // answered.
  boost::asio::awaitable<bool> ReceiveBody(Parser& parser, HttpRequest& request);
  // `length` bytes straight into `body`, where Beast's parser would copy them piece by piece.
  boost::asio::awaitable<boost::beast::error_code> ReadBody(size_t length, std::string& body);
  boost::asio::awaitable<bool> ReceiveUpload(Parser& parser, const std::string& path);
  boost::asio::awaitable<bool> SendContinue();
  boost::asio::awaitable<bool> Send(HttpResponse& response, bool keep_alive);
  boost::asio::awaitable<bool> SendFile(const HttpResponse& response, bool keep_alive);
  boost::asio::awaitable<bool> SendStream(HttpResponse& response);
  // Answers a request that could not be read, if somebody is there to read that; false.
  boost::asio::awaitable<bool> RefuseUnread(boost::beast::error_code error);
  // Sends `response`, then reads on a little so that the peer sees it before the connection goes.
  boost::asio::awaitable<void> SendAndLinger(HttpResponse& response);
  // False, and `job` did not run, when the workers' queue is full.
  boost::asio::awaitable<bool> RunOnWorker(std::function<void()> job);
  // What to answer to a request that could not be read; nothing if nobody is there to read it.
  std::optional<HttpResponse> ReadFailure(boost::beast::error_code error);

  Transport transport_;
  SessionContext& context_;
  std::shared_ptr<OperationTimer> timer_;  // Of the operation under way.
  bool head_only_ = false;   // The request is a HEAD: its answer ends after the headers.
  bool busy_ = false;        // A request was begun and not yet answered.
  uint64_t body_limit_ = 0;  // In bytes, of the request at hand.
  boost::beast::flat_buffer buffer_;
};

}  // namespace almagest
