#include "http/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "http/error_response.h"

namespace almagest {

bool MayRead(const Service& service, const std::string& collection) {
  return service.access == nullptr || service.access->MayRead(collection);
}

Result<std::shared_ptr<Collection>> ReadableCollection(Service& service, const std::string& name) {
  if (service.access != nullptr) {
    ALMAGEST_TRY_VOID(service.access->Check(RouteAccess::kRead, name));
  }
  return service.database.FindCollection(name);
}

Result<std::shared_ptr<Collection>> PathCollection(Service& service, const HttpRequest& request) {
  const std::string& name = request.PathParam("collection");
  if (name.size() > kNameBytesMax) {
    return Fail(ParameterValueError("path", "collection_name", name,
                                    fmt::format("of at most {} bytes", kNameBytesMax)));
  }
  return service.database.FindCollection(name);
}

Result<uint64_t> QueryUnsigned(const HttpRequest& request, std::string_view name, uint64_t lowest,
                               uint64_t highest, uint64_t otherwise) {
  const std::string* text = request.FindQuery(name);
  if (text == nullptr) return otherwise;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size()) {
    return Fail(
        QueryParameterError(name, fmt::format("is '{}', must be a whole number from {} to {}",
                                              text->substr(0, 100), lowest, highest)));
  }
  if (value < lowest || value > highest) {
    const std::string limit = value < lowest ? fmt::format("{} or larger", lowest)
                                             : fmt::format("{} or smaller", highest);
    return Fail(ParameterValueError("query", name, *text, limit));
  }
  return value;
}

Result<bool> QueryBool(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.FindQuery(name);
  if (text == nullptr || *text == "false") return false;
  if (*text == "true") return true;
  return Fail(QueryParameterError(
      name, fmt::format("is '{}', must be true or false", text->substr(0, 100))));
}

Result<Deadline> ReadDeadline(const HttpRequest& request, int default_seconds) {
  constexpr uint64_t kTimeoutMax = 3600;  // No read has longer, whatever it asks for.
  ALMAGEST_TRY(const uint64_t asked, QueryUnsigned(request, "timeout", 1, UINT32_MAX,
                                                   static_cast<uint64_t>(default_seconds)));
  const uint64_t seconds = std::min(asked, kTimeoutMax);
  if (const std::string* consistency = request.FindQuery("consistency")) {
    if (*consistency != "majority" && *consistency != "quorum" && *consistency != "all") {
      ALMAGEST_TRY_VOID(QueryUnsigned(request, "consistency", 1, UINT32_MAX, 1));
    }
  }
  Deadline deadline;
  deadline.at = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  return deadline;
}

Result<WriteOptions> ParseWriteOptions(const HttpRequest& request) {
  WriteOptions options;
  ALMAGEST_TRY(options.wait, QueryBool(request, "wait"));
  if (const std::string* ordering = request.FindQuery("ordering")) {
    if (*ordering != "weak" && *ordering != "medium" && *ordering != "strong") {
      return Fail(QueryParameterError("ordering", "must be weak, medium or strong"));
    }
  }
  if (const std::string* durability = request.FindQuery("durability")) {
    if (*durability != "sync" && *durability != "process") {
      return Fail(QueryParameterError("durability", "must be sync or process"));
    }
    options.durability = *durability == "sync" ? Durability::kSync : Durability::kProcess;
  }
  ALMAGEST_TRY_VOID(QueryUnsigned(request, "timeout", 1, UINT32_MAX, 1));
  return options;
}

JsonWriter BeginResult() { return JsonWriter("{\"result\":"); }

Reply ResultReply(JsonWriter json, unsigned status) {
  Reply reply;
  reply.status = status;
  reply.body = json.Take();
  return reply;
}

Reply BoolReply(bool value) {
  JsonWriter json = BeginResult();
  json.Bool(value);
  return ResultReply(std::move(json));
}

Reply TextReply(std::string text, std::string content_type, unsigned status) {
  Reply reply;
  reply.status = status;
  reply.enveloped = false;
  reply.content_type = std::move(content_type);
  reply.body = std::move(text);
  return reply;
}

}  // namespace almagest
