// Snapshots of a collection or of the whole store. `wait=false` (the default is true): 202, and the
// work goes on in the background.
#include <fmt/format.h>

#include <memory>

#include "engine/snapshot/sha256.h"
#include "http/error_response.h"
#include "http/handlers.h"
#include "http/json_reader.h"
#include "http/multipart.h"
#include "storage/base/file.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

using Bytes = std::span<const std::byte>;

void WriteDescription(JsonWriter& json, const SnapshotDescription& snapshot) {
  json.BeginObject();
  json.Key("name").String(snapshot.name);
  if (!snapshot.creation_time.empty()) json.Key("creation_time").String(snapshot.creation_time);
  json.Key("size").Unsigned(snapshot.size);
  if (!snapshot.checksum.empty()) json.Key("checksum").String(snapshot.checksum);
  json.EndObject();
}

// The collection's own name (the path may have an alias); empty for the whole store.
Result<std::string> Owner(Service& service, const HttpRequest& request) {
  if (request.PathParam("collection").empty()) return std::string();
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  return collection->name();
}

Result<bool> Waits(const HttpRequest& request) {
  const std::string* wait = request.FindQuery("wait");
  if (wait == nullptr) return true;
  if (*wait != "true" && *wait != "false") {
    return Fail(QueryParameterError("wait", "must be true or false"));
  }
  return *wait == "true";
}

// Runs `work`, now or in the background.
Result<Reply> RunOrAccept(Service& service, const HttpRequest& request,
                          const std::function<Result<Reply>()>& work) {
  ALMAGEST_TRY(const bool waits, Waits(request));
  if (waits || service.background == nullptr) return work();
  const bool queued = service.background->Submit([work] {
    if (const auto done = work(); !done) {
      LogWarning("a snapshot that nobody waits for failed: " + done.error().message);
    }
  });
  if (!queued) return Fail(ErrorCode::kUnavailable, "too many snapshots wait; try again");
  Reply reply;
  reply.status = 202;
  reply.accepted = true;
  return reply;
}

Result<> CheckPriority(std::string_view priority) {
  if (priority == "no_sync" || priority == "snapshot" || priority == "replica") return {};
  return Fail(ErrorCode::kBadRequest, "`priority` must be no_sync, snapshot or replica");
}

Result<> Recover(Database& database, const std::string& name, Bytes bytes,
                 const std::string& checksum) {
  if (!checksum.empty()) {
    const std::string actual = Sha256Hex(bytes);
    if (actual != checksum) {
      return Fail(ChecksumError(
          fmt::format("expected {}, the snapshot has {}", checksum.substr(0, 100), actual)));
    }
  }
  auto recovered = database.RecoverCollection(name, bytes);
  if (!recovered && recovered.error().code == ErrorCode::kInvalidArgument) {
    return Fail(ErrorCode::kBadRequest, recovered.error().message);
  }
  return recovered;
}

}  // namespace

Result<Reply> HandleListSnapshots(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const std::string owner, Owner(service, request));
  ALMAGEST_TRY(const auto snapshots, service.database.snapshots().List(owner));
  JsonWriter json = BeginResult();
  json.BeginArray();
  for (const SnapshotDescription& snapshot : snapshots) WriteDescription(json, snapshot);
  json.EndArray();
  return ResultReply(std::move(json));
}

Result<Reply> HandleCreateSnapshot(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const std::string owner, Owner(service, request));
  Database* database = &service.database;
  return RunOrAccept(service, request, [database, owner]() -> Result<Reply> {
    ALMAGEST_TRY(const SnapshotDescription made,
                 owner.empty() ? database->CreateStoreSnapshot() : database->CreateSnapshot(owner));
    JsonWriter json = BeginResult();
    WriteDescription(json, made);
    return ResultReply(std::move(json));
  });
}

Result<Reply> HandleDownloadSnapshot(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const std::string owner, Owner(service, request));
  const std::string& name = request.PathParam("snapshot");
  ALMAGEST_TRY(const auto path, service.database.snapshots().Find(owner, name));
  Reply reply;
  reply.enveloped = false;
  reply.content_type = "application/octet-stream";
  reply.file = path.string();
  std::string plain;  // A name in a header: quotes and what is not ASCII are left out.
  for (const char c : name) {
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') plain += c;
  }
  reply.headers.emplace_back("Content-Disposition", "attachment; filename=\"" + plain + "\"");
  return reply;
}

Result<Reply> HandleDeleteSnapshot(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const std::string owner, Owner(service, request));
  const std::string name = request.PathParam("snapshot");
  SnapshotFolder* snapshots = &service.database.snapshots();
  ALMAGEST_TRY_VOID(snapshots->Find(owner, name));
  return RunOrAccept(service, request, [snapshots, owner, name]() -> Result<Reply> {
    ALMAGEST_TRY_VOID(snapshots->Remove(owner, name));
    return BoolReply(true);
  });
}

Result<Reply> HandleRecoverSnapshot(Service& service, const HttpRequest& request) {
  const std::string name = request.PathParam("collection");
  ALMAGEST_TRY_VOID(ValidateCollectionName(name));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY(const JsonValue given, body.Require("location"));
  ALMAGEST_TRY(const std::string_view text, given.AsString());
  const std::string location(text);
  ALMAGEST_TRY(const auto priority, body.FindString("priority"));
  if (priority) ALMAGEST_TRY_VOID(CheckPriority(*priority));
  ALMAGEST_TRY(const auto checksum, body.FindString("checksum"));
  ALMAGEST_TRY(const auto api_key, body.FindString("api_key"));
  Database* database = &service.database;
  if (location.starts_with("file:")) {
    ALMAGEST_TRY(const auto path, database->snapshots().Resolve(location));
    return RunOrAccept(service, request, [=]() -> Result<Reply> {
      ALMAGEST_TRY(const MappedFile file, MappedFile::Open(path));
      ALMAGEST_TRY_VOID(Recover(*database, name, file.bytes(), checksum.value_or("")));
      return BoolReply(true);
    });
  }
  const SnapshotSources sources = service.snapshot_sources;
  return RunOrAccept(service, request, [=]() -> Result<Reply> {
    const UploadedFile fetched(database->snapshots().TemporaryPath().string());
    ALMAGEST_TRY_VOID(DownloadSnapshot(location, api_key.value_or(""), sources, fetched.path));
    ALMAGEST_TRY(const MappedFile file, MappedFile::Open(fetched.path));
    ALMAGEST_TRY_VOID(Recover(*database, name, file.bytes(), checksum.value_or("")));
    return BoolReply(true);
  });
}

Result<Reply> HandleUploadSnapshot(Service& service, const HttpRequest& request) {
  const std::string name = request.PathParam("collection");
  ALMAGEST_TRY_VOID(ValidateCollectionName(name));
  const std::string* priority = request.FindQuery("priority");
  if (priority != nullptr) ALMAGEST_TRY_VOID(CheckPriority(*priority));
  const std::string* given = request.FindQuery("checksum");
  const std::string checksum = given == nullptr ? "" : *given;
  const std::string* type = request.FindHeader("content-type");
  const auto boundary = type == nullptr ? std::nullopt : MultipartBoundary(*type);
  const auto upload = request.upload;
  Database* database = &service.database;
  return RunOrAccept(service, request, [=]() -> Result<Reply> {
    auto file = upload == nullptr ? Fail(ErrorCode::kNotFound, "") : MappedFile::Open(upload->path);
    std::optional<std::string_view> part;
    if (file && boundary) {
      part = FindPart({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()},
                      *boundary, "snapshot");
    }
    if (!part) {
      return Fail(ErrorCode::kBadRequest,
                  "the body must be multipart/form-data with a part named `snapshot`");
    }
    const auto bytes = std::as_bytes(std::span(part->data(), part->size()));
    ALMAGEST_TRY_VOID(Recover(*database, name, bytes, checksum));
    return BoolReply(true);
  });
}

}  // namespace almagest
