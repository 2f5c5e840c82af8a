#include "http/response_head.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <boost/beast/http/status.hpp>
#include <iterator>

namespace almagest {

std::string ResponseHead(const HttpResponse& response, bool keep_alive) {
  namespace http = boost::beast::http;
  const std::string_view reason = http::obsolete_reason(http::int_to_status(response.status));
  std::string head;
  head.reserve(256);
  auto out = std::back_inserter(head);
  fmt::format_to(out, FMT_COMPILE("HTTP/1.1 {} {}\r\nServer: almagest\r\nContent-Type: {}\r\n"),
                 response.status, reason, response.content_type);
  for (const auto& [name, value] : response.headers) {
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!keep_alive) head += "Connection: close\r\n";
  if (response.chunks) {
    head += "Transfer-Encoding: chunked\r\n\r\n";
  } else {
    fmt::format_to(out, FMT_COMPILE("Content-Length: {}\r\n\r\n"), response.body.size());
  }
  return head;
}

}  // namespace almagest
