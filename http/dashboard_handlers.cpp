// The dashboard: static pages that call this REST API from the reader's browser with the reader's
// key, so they hold no data and are open to everybody.
#include <algorithm>

#include "http/dashboard_files.h"
#include "http/handlers.h"

namespace almagest {
namespace {

// Nothing from anywhere else, no inline code, in nobody's frame: what a payload holds cannot become
// a script, and no other page can steer this one.
constexpr const char* kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

std::string ContentTypeOf(std::string_view name) {
  if (name.ends_with(".mjs")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

}  // namespace

// To where its relative links hold, also behind a proxy that serves the API under a prefix.
Result<Reply> HandleDashboard(Service&, const HttpRequest& request) {
  Reply reply = TextReply("", "text/plain", 307);
  reply.headers.emplace_back("Location",
                             request.path.ends_with('/') ? "index.html" : "dashboard/index.html");
  return reply;
}

Result<Reply> HandleDashboardFile(Service&, const HttpRequest& request) {
  const std::string& name = request.PathParam("file");
  const auto files = DashboardFiles();
  const auto file = std::ranges::find(files, name, &DashboardFile::name);
  if (file == files.end()) {
    return Fail(ErrorCode::kNotFound, "the dashboard has no file '" + name + "'");
  }
  Reply reply = TextReply(std::string(file->text), ContentTypeOf(name));
  // Of this program, so a new program's are seen at once; they are a few kilobytes.
  reply.headers.emplace_back("Cache-Control", "no-cache");
  reply.headers.emplace_back("Content-Security-Policy", kContentSecurityPolicy);
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  reply.headers.emplace_back("Referrer-Policy", "no-referrer");
  return reply;
}

}  // namespace almagest
