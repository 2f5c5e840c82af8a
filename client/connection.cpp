#include "client/connection.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <limits>
#include <optional>

namespace almagest::client {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

// Larger than any answer we ask for; guards against a server gone wrong.
constexpr uint64_t kAnswerBytesMax = uint64_t{2} << 30;
constexpr size_t kStreamChunkBytes = 16 * 1024;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

template <class Fields>
void CopyHeaders(const Fields& fields, HttpResponse& answer) {
  for (const auto& field : fields) {
    answer.headers[LowerCase({field.name_string().data(), field.name_string().size()})] =
        std::string(field.value());
  }
}

}  // namespace

ServerAddress ParseServerUrl(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  const auto fail = [&](std::string_view why) {
    return ClientError("server URL \"" + std::string(url) + "\" " + std::string(why));
  };
  if (!url.starts_with(kScheme)) throw fail("must begin with http://");
  std::string_view rest = url.substr(kScheme.size());
  ServerAddress address;
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    address.prefix = rest.substr(slash);
    while (address.prefix.ends_with('/')) address.prefix.pop_back();
    rest = rest.substr(0, slash);
  }
  std::string_view port;
  bool has_port = false;
  if (rest.starts_with('[')) {
    const size_t bracket = rest.find(']');
    if (bracket == std::string_view::npos) throw fail("has no closing ]");
    address.host = rest.substr(1, bracket - 1);
    rest = rest.substr(bracket + 1);
    has_port = rest.starts_with(':');
    if (!has_port && !rest.empty()) throw fail("has something other than a port after ]");
    if (has_port) port = rest.substr(1);
  } else {
    const size_t colon = rest.find(':');
    has_port = colon != std::string_view::npos;
    address.host = rest.substr(0, colon);
    if (has_port) port = rest.substr(colon + 1);
  }
  if (address.host.empty()) throw fail("has no host");
  if (!has_port) port = "80";
  uint32_t number = 0;
  for (const char c : port) {
    if (c < '0' || c > '9' || number > 65'535) throw fail("has a port that is not 1 to 65535");
    number = number * 10 + static_cast<uint32_t>(c - '0');
  }
  if (number == 0 || number > 65'535) throw fail("has a port that is not 1 to 65535");
  address.port = port;
  return address;
}

struct Connection::State {
  ConnectionOptions options;
  asio::io_context context;
  std::optional<beast::tcp_stream> stream;
  beast::flat_buffer buffer;

  std::string Name() const {
    const ServerAddress& address = options.address;
    return address.host + ":" + address.port;
  }

  // Runs what was started on the stream to its end.
  void Run() {
    context.restart();
    context.run();
  }

  [[noreturn]] void Fail(std::string_view doing, const beast::error_code& error) {
    Close();
    if (error == beast::error::timeout) {
      throw ClientError::Unreachable("the server at " + Name() + " did not answer in time (" +
                                     std::string(doing) + ")");
    }
    throw ClientError::Unreachable("cannot " + std::string(doing) + " the server at " + Name() +
                                   ": " + error.message());
  }

  void Close() {
    stream.reset();
    buffer.clear();
  }

  // Whether the server closed the idle connection, or sent something unasked.
  bool Stale() {
    beast::error_code error;
    tcp::socket& socket = stream->socket();
    socket.non_blocking(true, error);
    char byte = 0;
    socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
    return error != asio::error::would_block;
  }

  // Returns whether the connection is a reused one.
  bool Connect() {
    if (stream) {
      if (!Stale()) return true;
      Close();
    }
    beast::error_code error;
    tcp::resolver resolver(context);
    const auto endpoints = resolver.resolve(options.address.host, options.address.port, error);
    if (error) Fail("find", error);
    stream.emplace(context);
    stream->expires_after(options.connect_timeout);
    stream->async_connect(endpoints,
                          [&](const beast::error_code& e, const tcp::endpoint&) { error = e; });
    Run();
    if (error) Fail("connect to", error);
    stream->socket().set_option(tcp::no_delay(true), error);
    return false;
  }

  http::request<http::string_body> Request(std::string_view method, std::string_view target,
                                           std::string body, std::string_view content_type) {
    const std::string full = options.address.prefix + std::string(target);
    http::request<http::string_body> request;
    request.version(11);
    request.method_string({method.data(), method.size()});
    request.target(full);
    request.set(http::field::host, Name());
    request.set(http::field::user_agent, "almagest-client/0.1");
    if (!options.api_key.empty()) request.set("api-key", options.api_key);
    if (!body.empty())
      request.set(http::field::content_type, {content_type.data(), content_type.size()});
    request.body() = std::move(body);
    request.prepare_payload();
    return request;
  }

  beast::error_code Write(http::request<http::string_body>& request) {
    beast::error_code error;
    stream->expires_after(options.request_timeout);
    http::async_write(*stream, request, [&](const beast::error_code& e, size_t) { error = e; });
    Run();
    return error;
  }
};

Connection::Connection(ConnectionOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;

HttpResponse Connection::Send(std::string_view method, std::string_view target, std::string body,
                              std::string_view content_type) {
  State& state = *state_;
  const bool idempotent = method == "GET" || method == "PUT" || method == "DELETE";
  auto request = state.Request(method, target, std::move(body), content_type);
  for (bool again = false;; again = true) {
    const bool reused = state.Connect();
    beast::error_code error = state.Write(request);
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerBytesMax);
    // A server that refuses a large body answers and closes before it has read all of it: the
    // answer is worth reading although the write failed.
    const beast::error_code write_error = error;
    error = {};
    http::async_read(*state.stream, state.buffer, parser,
                     [&](const beast::error_code& e, size_t) { error = e; });
    state.Run();
    if (error) {
      if (reused && idempotent && !again && !parser.got_some() && error != beast::error::timeout) {
        state.Close();
        continue;
      }
      state.Fail("get an answer from", write_error ? write_error : error);
    }
    HttpResponse answer;
    answer.status = parser.get().result_int();
    CopyHeaders(parser.get(), answer);
    answer.body = std::move(parser.get().body());
    if (!parser.get().keep_alive() || write_error) state.Close();
    return answer;
  }
}

HttpResponse Connection::Stream(std::string_view target, std::string_view accept,
                                const std::function<bool(std::string_view)>& on_bytes) {
  State& state = *state_;
  state.Connect();
  auto request = state.Request("GET", target, {}, "");
  request.set(http::field::accept, {accept.data(), accept.size()});
  beast::error_code error = state.Write(request);
  if (error) state.Fail("send a request to", error);

  http::response_parser<http::buffer_body> parser;
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  state.stream->expires_after(state.options.request_timeout);
  http::async_read_header(*state.stream, state.buffer, parser,
                          [&](const beast::error_code& e, size_t) { error = e; });
  state.Run();
  if (error) state.Fail("get an answer from", error);

  HttpResponse answer;
  answer.status = parser.get().result_int();
  CopyHeaders(parser.get(), answer);
  std::string chunk(kStreamChunkBytes, '\0');
  while (!parser.is_done()) {
    parser.get().body().data = chunk.data();
    parser.get().body().size = chunk.size();
    parser.get().body().more = true;
    state.stream->expires_after(state.options.request_timeout);
    http::async_read_some(*state.stream, state.buffer, parser,
                          [&](const beast::error_code& e, size_t) { error = e; });
    state.Run();
    if (error == http::error::need_buffer) error = {};
    if (error) state.Fail("read the stream of", error);
    const std::string_view bytes(chunk.data(), chunk.size() - parser.get().body().size);
    if (answer.status >= 400) {
      answer.body += bytes;
    } else if (!bytes.empty() && !on_bytes(bytes)) {
      break;
    }
  }
  state.Close();
  return answer;
}

}  // namespace almagest::client
