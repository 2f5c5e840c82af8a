#include "http/session.h"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <cctype>

#include "http/response_head.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds kStreamPollInterval{200};
constexpr std::chrono::milliseconds kLingerTimeout{2'000};
constexpr size_t kReadBytes = 16u << 10;  // At once, of a request's beginning: most are shorter.
constexpr size_t kLingerBytesMax = 64u << 20;
// Memory that a body touches at once; of an upload, what must come within a body timeout.
constexpr size_t kBodyStride = 1u << 20;
constexpr const char* kTooManyWait = "Service unavailable: too many requests wait";

// A request on its way through a worker. Shared, so that it outlives an aborted connection.
struct Exchange {
  HttpRequest request;
  std::optional<HttpResponse> refusal;
  HttpResponse response;
};

std::string LowerCase(beast::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

void CopyHead(const http::request<http::string_body>& from, HttpRequest& to) {
  to.method = std::string(from.method_string());
  const std::string target(from.target());
  const size_t question = target.find('?');
  to.path = target.substr(0, question);
  if (question != std::string::npos) {
    // Parsed by the dispatcher, which can name what is wrong.
    to.query_params.emplace_back("", target.substr(question + 1));
  }
  for (const auto& field : from) {
    to.headers.emplace_back(LowerCase(field.name_string()), std::string(field.value()));
  }
}

template <class Message>
void FillHead(const HttpResponse& from, Message& to) {
  to.result(from.status);
  to.set(http::field::server, "almagest");
  to.set(http::field::content_type, from.content_type);
  for (const auto& [name, value] : from.headers) to.set(name, value);
}

}  // namespace

Session::Session(Socket socket, Transport::TlsContext tls, SessionContext& context)
    : transport_(std::move(socket), std::move(tls)),
      context_(context),
      timer_(std::make_shared<OperationTimer>(transport_.socket())) {}

void Session::Drain() {
  if (!busy_) Abort();
}

void Session::Abort() {
  beast::error_code ignored;
  transport_.socket().shutdown(Socket::shutdown_both, ignored);
  transport_.socket().close(ignored);
  timer_->Cancel();
}

asio::awaitable<void> Session::Run() {
  const std::shared_ptr<Session> self = shared_from_this();
  bool goes_on = co_await Handshake();
  while (goes_on && !context_.draining) {
    if (buffer_.size() == 0) {
      const bool has_data = co_await WaitForRequest();
      if (!has_data) break;
    }
    busy_ = true;
    goes_on = co_await ServeOne();
    busy_ = false;
  }
  Abort();
}

asio::awaitable<bool> Session::Handshake() {
  if (!transport_.is_tls()) co_return true;
  timer_->Start(context_.options.header_timeout);
  auto [error] = co_await transport_.async_handshake(kToken);
  timer_->Stop();
  co_return !error;
}

asio::awaitable<bool> Session::WaitForRequest() {
  timer_->Start(context_.options.idle_timeout);
  auto [error, count] = co_await transport_.async_read_some(buffer_.prepare(kReadBytes), kToken);
  timer_->Stop();
  buffer_.commit(count);
  co_return !error && count > 0;
}

std::optional<HttpResponse> Session::ReadFailure(beast::error_code error) {
  Dispatcher& dispatcher = context_.dispatcher;
  const ServerOptions& options = context_.options;
  if (timer_->fired()) {
    return dispatcher.Refuse(408, "Timeout: the request did not arrive in time");
  }
  if (error == http::error::header_limit) {
    return dispatcher.Refuse(431, "Bad request: the request's header is longer than " +
                                      std::to_string(options.header_bytes_max) + " bytes");
  }
  if (error == http::error::body_limit) {
    return dispatcher.Refuse(413, "Payload too large: the request's body is longer than " +
                                      std::to_string(body_limit_) + " bytes");
  }
  if (error == boost::system::errc::no_space_on_device) {
    return dispatcher.Refuse(507, "Storage full: there is no room for the upload");
  }
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return dispatcher.Refuse(400, "Bad request: this is not valid HTTP: " + error.message());
  }
  return {};
}

asio::awaitable<bool> Session::ServeOne() {
  const ServerOptions& options = context_.options;
  Parser parser;
  parser.header_limit(options.header_bytes_max);
  parser.body_limit(boost::none);  // Until it is known who asks for what.
  const auto exchange = std::make_shared<Exchange>();
  head_only_ = false;

  // Most often all of it is there.
  beast::error_code header_error;
  buffer_.consume(parser.put(buffer_.data(), header_error));
  if (header_error == http::error::need_more) {
    timer_->Start(options.header_timeout);
    auto [error, count] = co_await http::async_read_header(transport_, buffer_, parser, kToken);
    timer_->Stop();
    header_error = error;
  }
  if (header_error) co_return co_await RefuseUnread(header_error);
  CopyHead(parser.get(), exchange->request);
  head_only_ = parser.get().method() == http::verb::head;
  std::optional<HttpResponse> refusal = context_.dispatcher.Admit(exchange->request);
  if (refusal) {
    // A refused request without a body leaves the connection usable.
    if (parser.is_done()) co_return co_await Send(*refusal, parser.keep_alive() && !refusal->close);
    co_await SendAndLinger(*refusal);
    co_return false;
  }
  if (context_.dispatcher.NeedsConfirmation(exchange->request)) {
    std::function<void()> confirm = [exchange, this] {
      exchange->refusal = context_.dispatcher.Confirm(exchange->request);
    };
    const bool was_run = co_await RunOnWorker(std::move(confirm));
    if (!was_run) exchange->refusal = context_.dispatcher.Refuse(503, kTooManyWait);
    if (exchange->refusal) {
      if (parser.is_done()) co_return co_await Send(*exchange->refusal, parser.keep_alive());
      co_await SendAndLinger(*exchange->refusal);
      co_return false;
    }
  }
  const bool wants_keep_alive = parser.keep_alive();
  if (!parser.is_done()) {
    body_limit_ = exchange->request.upload ? options.upload_bytes_max : options.body_bytes_max;
    parser.body_limit(body_limit_);
    if (parser.content_length().value_or(0) > body_limit_) {
      co_return co_await RefuseUnread(http::error::body_limit);
    }
    const bool received = co_await ReceiveBody(parser, exchange->request);
    if (!received) co_return false;
  }

  Dispatcher* dispatcher = &context_.dispatcher;
  std::optional<HttpResponse> at_once = dispatcher->HandleAtOnce(exchange->request);
  if (at_once) {
    exchange->response = *std::move(at_once);
  } else {
    // Named: GCC 12 destroys the closure twice when it is a temporary of a co_await expression.
    std::function<void()> job = [exchange, dispatcher] {
      exchange->response = dispatcher->Handle(exchange->request);
    };
    const bool was_run = co_await RunOnWorker(std::move(job));
    if (!was_run) exchange->response = dispatcher->Refuse(503, kTooManyWait);
  }
  if (exchange->response.chunks && !head_only_) co_return co_await SendStream(exchange->response);
  const bool keep_alive = wants_keep_alive && !context_.draining && !exchange->response.close;
  if (!exchange->response.file.empty()) {
    co_return co_await SendFile(exchange->response, keep_alive);
  }
  co_return co_await Send(exchange->response, keep_alive);
}

asio::awaitable<bool> Session::ReceiveBody(Parser& parser, HttpRequest& request) {
  if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
    const bool sent = co_await SendContinue();
    if (!sent) co_return false;
  }
  if (request.upload) co_return co_await ReceiveUpload(parser, request.upload->path);
  timer_->Start(context_.options.body_timeout);
  beast::error_code error;
  if (parser.content_length()) {  // None of a chunked one.
    error = co_await ReadBody(*parser.content_length(), request.body);
  } else {
    auto [failure, count] = co_await http::async_read(transport_, buffer_, parser, kToken);
    error = failure;
    request.body = std::move(parser.get().body());
  }
  timer_->Stop();
  if (!error) co_return true;
  co_return co_await RefuseUnread(error);
}

asio::awaitable<beast::error_code> Session::ReadBody(size_t length, std::string& body) {
  const size_t there = std::min(length, buffer_.size());
  body.reserve(length);
  body.assign(static_cast<const char*>(buffer_.cdata().data()), there);
  buffer_.consume(there);
  while (body.size() < length) {
    const size_t before = body.size();
    body.resize(std::min(length, before + kBodyStride));
    const asio::mutable_buffer rest = asio::buffer(body) + before;
    auto [error, count] = co_await asio::async_read(transport_, rest, kToken);
    if (error) co_return error;
  }
  co_return beast::error_code();
}

asio::awaitable<bool> Session::ReceiveUpload(Parser& parser, const std::string& path) {
  http::request_parser<http::file_body> upload(std::move(parser));
  upload.body_limit(body_limit_);
  beast::error_code error;
  upload.get().body().open(path.c_str(), beast::file_mode::write_new, error);
  size_t since_timer = 0;
  timer_->Start(context_.options.body_timeout);
  while (!error && !upload.is_done()) {
    auto [failure, count] = co_await http::async_read_some(transport_, buffer_, upload, kToken);
    error = failure;
    since_timer += count;
    if (since_timer < kBodyStride) continue;
    since_timer = 0;
    timer_->Start(context_.options.body_timeout);
  }
  timer_->Stop();
  if (!error) {
    upload.get().body().close();
    co_return true;
  }
  co_return co_await RefuseUnread(error);
}

asio::awaitable<bool> Session::SendContinue() {
  http::response<http::empty_body> message(http::status::continue_, 11);
  timer_->Start(context_.options.write_timeout);
  auto [error, count] = co_await http::async_write(transport_, message, kToken);
  timer_->Stop();
  co_return !error;
}

asio::awaitable<bool> Session::Send(HttpResponse& response, bool keep_alive) {
  const std::string head = ResponseHead(response, keep_alive);
  std::array<asio::const_buffer, 2> parts{asio::buffer(head), asio::buffer(response.body)};
  if (head_only_) parts[1] = {};
  timer_->Start(context_.options.write_timeout);
  auto [error, count] = co_await asio::async_write(transport_, parts, kToken);
  timer_->Stop();
  co_return !error && keep_alive;
}

asio::awaitable<bool> Session::SendFile(const HttpResponse& response, bool keep_alive) {
  http::response<http::file_body> message;
  message.version(11);
  FillHead(response, message);
  message.keep_alive(keep_alive);
  beast::error_code open_error;
  message.body().open(response.file.c_str(), beast::file_mode::read, open_error);
  if (open_error) {  // Removed since the handler found it.
    HttpResponse gone = context_.dispatcher.Refuse(404, "Not found: the file is gone");
    co_return co_await Send(gone, keep_alive);
  }
  message.prepare_payload();
  http::response_serializer<http::file_body> serializer(message);
  if (head_only_) {
    timer_->Start(context_.options.write_timeout);
    auto [error, count] = co_await http::async_write_header(transport_, serializer, kToken);
    timer_->Stop();
    co_return !error && keep_alive;
  }
  while (!serializer.is_done()) {  // Each piece has the whole timeout.
    timer_->Start(context_.options.write_timeout);
    auto [error, count] = co_await http::async_write_some(transport_, serializer, kToken);
    timer_->Stop();
    if (error) co_return false;
  }
  co_return keep_alive;
}

asio::awaitable<bool> Session::SendStream(HttpResponse& response) {
  http::response<http::empty_body> message;
  message.version(11);
  FillHead(response, message);
  message.set(http::field::cache_control, "no-store");
  message.keep_alive(false);
  message.chunked(true);
  http::response_serializer<http::empty_body> serializer(message);
  timer_->Start(context_.options.write_timeout);
  auto [header_error, header_bytes] =
      co_await http::async_write_header(transport_, serializer, kToken);
  timer_->Stop();
  if (header_error) co_return false;

  const auto piece = std::make_shared<std::optional<std::string>>();
  const auto source = std::make_shared<ChunkSource>(std::move(response.chunks));
  asio::steady_timer pause(transport_.get_executor());
  while (!context_.draining && transport_.socket().is_open()) {
    std::function<void()> job = [piece, source] { *piece = (*source)(); };
    const bool was_run = co_await RunOnWorker(std::move(job));
    if (was_run && !piece->has_value()) break;
    if (!was_run || (*piece)->empty()) {
      pause.expires_after(kStreamPollInterval);
      co_await pause.async_wait(kToken);
      continue;
    }
    timer_->Start(context_.options.write_timeout);
    const asio::const_buffer bytes = asio::buffer(**piece);
    auto [error, count] = co_await asio::async_write(transport_, http::make_chunk(bytes), kToken);
    timer_->Stop();
    if (error) co_return false;
  }
  co_await asio::async_write(transport_, http::make_chunk_last(), kToken);
  co_return false;
}

asio::awaitable<bool> Session::RefuseUnread(beast::error_code error) {
  std::optional<HttpResponse> refusal = ReadFailure(error);
  if (refusal) co_await SendAndLinger(*refusal);
  co_return false;
}

asio::awaitable<void> Session::SendAndLinger(HttpResponse& response) {
  co_await Send(response, false);
  beast::error_code ignored;
  transport_.socket().shutdown(Socket::shutdown_send, ignored);
  timer_->Start(kLingerTimeout);
  for (size_t total = 0; total < kLingerBytesMax && !timer_->fired();) {
    buffer_.clear();
    auto [error, count] = co_await transport_.async_read_some(buffer_.prepare(64 << 10), kToken);
    if (error) break;
    total += count;
  }
  timer_->Stop();
}

asio::awaitable<bool> Session::RunOnWorker(std::function<void()> job) {
  bool was_queued = false;
  auto initiate = [this, &was_queued, job = std::move(job)](auto handler) mutable {
    auto resume = std::make_shared<decltype(handler)>(std::move(handler));
    const auto executor = transport_.get_executor();
    was_queued = context_.workers.Submit([job = std::move(job), resume, executor]() mutable {
      job();
      asio::post(executor, [resume = std::move(resume)] { (*resume)(); });
    });
    if (!was_queued) asio::post(executor, [resume] { (*resume)(); });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate),
                                                                       asio::use_awaitable);
  co_return was_queued;
}

}  // namespace almagest
