#include "http/snapshot_download.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>

namespace almagest {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

struct Url {
  bool secure = false;
  std::string host;
  std::string port;
  std::string target;
};

std::optional<Url> ParseUrl(std::string_view text) {
  Url url;
  if (text.starts_with("https://")) {
    url.secure = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return std::nullopt;
  }
  const size_t end = text.find_first_of("/?#");
  std::string_view authority = text.substr(0, end);
  url.target = end == std::string_view::npos ? "/" : std::string(text.substr(end));
  url.target.erase(std::min(url.target.find('#'), url.target.size()));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  // No user names, no brackets: what is compared with the list is what is connected to.
  if (authority.find_first_of("@[]\\") != std::string_view::npos) return std::nullopt;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f) return std::nullopt;
  }
  const size_t colon = authority.find(':');
  url.host = std::string(authority.substr(0, colon));
  url.port = colon == std::string_view::npos ? (url.secure ? "443" : "80")
                                             : std::string(authority.substr(colon + 1));
  if (url.host.empty() || url.port.empty() ||
      !std::ranges::all_of(url.port, [](char c) { return c >= '0' && c <= '9'; })) {
    return std::nullopt;
  }
  return url;
}

bool IsAllowed(const Url& url, const SnapshotSources& sources) {
  return std::ranges::any_of(sources.hosts, [&](const std::string& host) {
    return host == url.host || host == url.host + ":" + url.port;
  });
}

tl::unexpected<Error> Unreachable(const Url& url, const std::string& why) {
  return Fail(ErrorCode::kUnavailable, "cannot download from " + url.host + ": " + why);
}

// Runs what was started on `io` to its end.
void RunAll(asio::io_context& io) {
  io.restart();
  io.run();
}

template <class Stream>
Result<> Transfer(asio::io_context& io, Stream& stream, const Url& url, const std::string& api_key,
                  const SnapshotSources& sources, const std::filesystem::path& path) {
  http::request<http::empty_body> request(http::verb::get, url.target, 11);
  request.set(http::field::host, url.host + ":" + url.port);
  request.set(http::field::user_agent, "almagest");
  if (!api_key.empty()) request.set("api-key", api_key);
  error_code error;
  http::async_write(stream, request, [&](error_code result, size_t) { error = result; });
  RunAll(io);
  if (error) return Unreachable(url, error.message());
  http::response_parser<http::file_body> parser;
  parser.body_limit(sources.bytes_max);
  parser.get().body().open(path.c_str(), beast::file_mode::write_new, error);
  if (error) return Fail(ErrorCode::kInternal, "cannot create a file: " + error.message());
  beast::flat_buffer buffer;
  http::async_read_header(stream, buffer, parser,
                          [&](error_code result, size_t) { error = result; });
  RunAll(io);
  if (!error && parser.get().result() != http::status::ok) {
    return Fail(ErrorCode::kBadRequest, "the snapshot's URL answered with status " +
                                            std::to_string(parser.get().result_int()) +
                                            " (redirects are not followed)");
  }
  if (!error) {
    http::async_read(stream, buffer, parser, [&](error_code result, size_t) { error = result; });
    RunAll(io);
  }
  if (error == http::error::body_limit) {
    return Fail(ErrorCode::kTooLarge,
                "the snapshot is larger than " + std::to_string(sources.bytes_max) + " bytes");
  }
  if (error) return Unreachable(url, error.message());
  return {};
}

Result<> Fetch(const Url& url, const std::string& api_key, const SnapshotSources& sources,
               const std::filesystem::path& path) {
  asio::io_context io;
  error_code error;
  asio::ip::tcp::resolver resolver(io);
  const auto endpoints = resolver.resolve(url.host, url.port, error);
  if (error) return Unreachable(url, error.message());
  const auto connect = [&](beast::tcp_stream& stream) -> Result<> {
    stream.expires_after(sources.timeout);
    stream.async_connect(endpoints, [&](error_code result, const auto&) { error = result; });
    RunAll(io);
    if (error) return Unreachable(url, error.message());
    return {};
  };
  if (!url.secure) {
    beast::tcp_stream stream(io);
    ALMAGEST_TRY_VOID(connect(stream));
    return Transfer(io, stream, url, api_key, sources, path);
  }
  asio::ssl::context tls(asio::ssl::context::tls_client);
  tls.set_default_verify_paths();
  tls.set_verify_mode(asio::ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(io, tls);
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  ALMAGEST_TRY_VOID(connect(beast::get_lowest_layer(stream)));
  stream.async_handshake(asio::ssl::stream_base::client,
                         [&](error_code result) { error = result; });
  RunAll(io);
  if (error) return Unreachable(url, error.message());
  return Transfer(io, stream, url, api_key, sources, path);
}

}  // namespace

Result<> DownloadSnapshot(const std::string& text, const std::string& api_key,
                          const SnapshotSources& sources, const std::filesystem::path& path) {
  const auto url = ParseUrl(text);
  if (!url) {
    return Fail(ErrorCode::kBadRequest,
                "the snapshot's location must be a file:// or http(s):// URL, without user names");
  }
  if (!IsAllowed(*url, sources)) {
    return Fail(ErrorCode::kForbidden, "snapshots are not fetched from " +
                                           url->host.substr(0, 100) +
                                           ": start the server with --snapshot-host for that");
  }
  try {
    return Fetch(*url, api_key, sources, path);
  } catch (const std::exception& exception) {
    return Unreachable(*url, exception.what());
  }
}

}  // namespace almagest
