// Adapter versions of a vector field, what the learning loop may do with them by itself, and the
// re-embedding that follows an activation. `using`, in
// the URL or in the body of a call that has one, names the field; it may be left out where a
// collection has one dense vector.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "http/error_response.h"
#include "http/handlers.h"
#include "http/json_reader.h"

namespace almagest {
namespace {

// What `activate` and `rollback` take, in the URL or in the body (which then counts).
struct VersionOptions {
  std::optional<std::string> using_vector;
  bool force = false;
};

Result<VersionOptions> ParseVersionOptions(const HttpRequest& request, bool takes_force) {
  VersionOptions options;
  if (const std::string* given = request.FindQuery("using")) options.using_vector = *given;
  if (const std::string* force = takes_force ? request.FindQuery("force") : nullptr) {
    if (*force != "true" && *force != "false") {
      return Fail(QueryParameterError("force", "must be true or false"));
    }
    options.force = *force == "true";
  }
  if (request.body.empty()) return options;
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.ExpectObject());
  if (takes_force) {
    ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"using", "force"}));
    ALMAGEST_TRY(const auto force, body.FindBool("force"));
    options.force = force.value_or(options.force);
  } else {
    ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"using"}));
  }
  ALMAGEST_TRY(const auto using_vector, body.FindString("using"));
  if (using_vector) options.using_vector = *using_vector;
  return options;
}

Result<std::string> UsingField(const std::optional<std::string>& given,
                               const Collection& collection) {
  const CollectionConfig config = collection.config();
  if (!given && config.dense.size() == 1) return config.dense.begin()->first;
  const std::string name = given.value_or("");
  if (config.dense.contains(name)) return name;
  std::string known;
  for (const auto& [field, dense] : config.dense) {
    known += fmt::format("{}'{}'", known.empty() ? "" : ", ", field);
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("Not existing vector name error: {}; `using` must be one of {}", name,
                          known.empty() ? "none" : known));
}

Result<std::string> UsingField(const HttpRequest& request, const Collection& collection) {
  const std::string* given = request.FindQuery("using");
  return UsingField(given == nullptr ? std::nullopt : std::optional(*given), collection);
}

Result<VersionId> PathVersion(const HttpRequest& request) {
  const std::string& text = request.PathParam("version");
  VersionId version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc() || end != text.data() + text.size()) {
    return Fail(FormatError("version", "expected a version number, got '" + text + "'"));
  }
  return version;
}

Reply ActiveReply(const std::string& field, VersionId version) {
  JsonWriter json = BeginResult();
  json.BeginObject().Key("using").String(field).Key("active").Unsigned(version).EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> ReembeddingReply(const Collection& collection, const std::string& field) {
  ALMAGEST_TRY(const ReembeddingProgress progress, collection.Reembedding(field));
  JsonWriter json = BeginResult();
  json.BeginObject();
  json.Key("using").String(field);
  json.Key("target").Unsigned(progress.target);
  json.Key("rows_done").Unsigned(progress.rows_done);
  json.Key("rows_total").Unsigned(progress.rows_total);
  json.Key("fraction")
      .Double(progress.rows_total == 0 ? 1.0
                                       : static_cast<double>(progress.rows_done) /
                                             static_cast<double>(progress.rows_total));
  json.Key("eta_seconds").Double(progress.eta_seconds);
  json.Key("paused").Bool(progress.paused);
  json.EndObject();
  return ResultReply(std::move(json));
}

void WriteSample(JsonWriter& json, const char* key, VersionId version, const LiveSample& sample) {
  json.Key(key).BeginObject();
  json.Key("version").Unsigned(version);
  json.Key("searches").Unsigned(static_cast<uint64_t>(sample.searches));
  json.Key("mean_reciprocal_rank").Double(sample.mean());
  json.EndObject();
}

// What is not given stays as it is.
Result<> ReadExploration(const JsonValue& value, ExplorationPolicy& exploration) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"slots", "depth", "rate"}));
  if (const auto slots = value.Find("slots")) {
    ALMAGEST_TRY(const uint64_t number, slots->AsUnsignedIn(0, kExplorationSlotsMax));
    exploration.slots = static_cast<uint32_t>(number);
  }
  if (const auto depth = value.Find("depth")) {
    ALMAGEST_TRY(const uint64_t number, depth->AsUnsignedIn(2, kExplorationDepthMax));
    exploration.depth = static_cast<uint32_t>(number);
  }
  if (const auto rate = value.Find("rate")) {
    ALMAGEST_TRY(exploration.rate, rate->AsDoubleIn(0, 1));
  }
  return {};
}

Result<> ReadTrial(const JsonValue& value, TrialPolicy& trial) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"mode", "version", "rate"}));
  if (const auto mode = value.Find("mode")) {
    ALMAGEST_TRY(const std::string_view name, mode->AsString());
    const auto* known = std::ranges::find(kTrialModes, name);
    if (known == std::end(kTrialModes)) {
      return Fail(FormatError(mode->path(), "expected `off`, `shadow` or `interleave`"));
    }
    trial.mode = static_cast<TrialPolicy::Mode>(known - std::begin(kTrialModes));
  }
  if (const auto version = value.Find("version")) {
    ALMAGEST_TRY(const uint64_t number, version->AsUnsignedIn(0, UINT32_MAX));
    trial.version = static_cast<VersionId>(number);
  }
  if (const auto rate = value.Find("rate")) {
    ALMAGEST_TRY(trial.rate, rate->AsDoubleIn(0, 1));
  }
  return {};
}

Result<> ReadQuietHours(const JsonValue& value, QuietHours& hours) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"from", "until"}));
  ALMAGEST_TRY(const JsonValue from, value.Require("from"));
  ALMAGEST_TRY(const JsonValue until, value.Require("until"));
  ALMAGEST_TRY(const uint64_t first, from.AsUnsignedIn(0, 23));
  ALMAGEST_TRY(const uint64_t limit, until.AsUnsignedIn(0, 23));
  hours = {static_cast<uint32_t>(first), static_cast<uint32_t>(limit)};
  return {};
}

Result<Reply> PolicyReply(Service& service, const Collection& collection,
                          const std::string& field) {
  ALMAGEST_TRY(const Learning::FieldStatus status,
               service.database.learning().DescribePolicy(collection, field));
  const LearningPolicy& policy = status.state.policy;
  JsonWriter json = BeginResult();
  json.BeginObject();
  json.Key("using").String(field);
  json.Key("automatic").Bool(policy.automatic);
  json.Key("min_new_events").Unsigned(policy.min_new_events);
  json.Key("min_hours").Double(policy.min_hours);
  json.Key("rollback").Bool(policy.rollback);
  json.Key("rollback_searches").Unsigned(policy.rollback_searches);
  json.Key("rollback_sigmas").Double(policy.rollback_sigmas);
  json.Key("quiet_hours").BeginObject();
  json.Key("from").Unsigned(policy.quiet_hours.from);
  json.Key("until").Unsigned(policy.quiet_hours.until).EndObject();
  const ExplorationPolicy& exploration = policy.experiments.exploration;
  json.Key("exploration").BeginObject();
  json.Key("slots").Unsigned(exploration.slots);
  json.Key("depth").Unsigned(exploration.depth);
  json.Key("rate").Double(exploration.rate).EndObject();
  const TrialPolicy& trial = policy.experiments.trial;
  json.Key("trial").BeginObject();
  json.Key("mode").String(kTrialModes[static_cast<size_t>(trial.mode)]);
  json.Key("version").Unsigned(trial.version);
  json.Key("rate").Double(trial.rate).EndObject();
  json.Key("new_events").Unsigned(status.new_events);
  json.Key("last_start_ms").Integer(status.state.last_start_ms);
  json.Key("live");
  if (status.live) {
    json.BeginObject();
    WriteSample(json, "active", status.live->active, status.live->now);
    WriteSample(json, "before", status.live->before, status.live->then);
    json.Key("sigmas").Double(status.live->sigmas).EndObject();
  } else {
    json.Null();
  }
  json.Key("shadow");
  if (status.shadow) {
    const auto searches = static_cast<double>(status.shadow->searches);
    json.BeginObject();
    json.Key("version").Unsigned(status.shadow->version);
    json.Key("searches").Unsigned(status.shadow->searches);
    json.Key("overlap").Double(status.shadow->overlap / searches);
    json.Key("active_time").Double(status.shadow->active_seconds / searches);
    json.Key("shadow_time").Double(status.shadow->shadow_seconds / searches).EndObject();
  } else {
    json.Null();
  }
  json.Key("last_rollback");
  if (const auto& rollback = status.state.last_rollback) {
    json.BeginObject();
    json.Key("from").Unsigned(rollback->from);
    json.Key("to").Unsigned(rollback->to);
    json.Key("time_ms").Integer(rollback->time_ms);
    json.Key("reason").String(rollback->reason);
    json.EndObject();
  } else {
    json.Null();
  }
  json.EndObject();
  return ResultReply(std::move(json));
}

}  // namespace

Result<Reply> HandleGetPolicy(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const std::string field, UsingField(request, *collection));
  return PolicyReply(service, *collection, field);
}

// What is not given stays as it is.
Result<Reply> HandleSetPolicy(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.ExpectObject());
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"using", "automatic", "min_new_events", "min_hours",
                                            "rollback", "rollback_searches", "rollback_sigmas",
                                            "quiet_hours", "exploration", "trial"}));
  ALMAGEST_TRY(const auto given, body.FindString("using"));
  ALMAGEST_TRY(const std::string field,
               given ? UsingField(given, *collection) : UsingField(request, *collection));
  Learning& learning = service.database.learning();
  ALMAGEST_TRY(const auto status, learning.DescribePolicy(*collection, field));
  LearningPolicy policy = status.state.policy;
  ALMAGEST_TRY(const auto automatic, body.FindBool("automatic"));
  ALMAGEST_TRY(const auto min_new_events, body.FindUnsigned("min_new_events"));
  ALMAGEST_TRY(const auto min_hours, body.FindDouble("min_hours"));
  ALMAGEST_TRY(const auto rollback, body.FindBool("rollback"));
  ALMAGEST_TRY(const auto rollback_searches, body.FindUnsigned("rollback_searches"));
  ALMAGEST_TRY(const auto rollback_sigmas, body.FindDouble("rollback_sigmas"));
  policy.automatic = automatic.value_or(policy.automatic);
  policy.min_new_events = min_new_events.value_or(policy.min_new_events);
  policy.min_hours = min_hours.value_or(policy.min_hours);
  policy.rollback = rollback.value_or(policy.rollback);
  policy.rollback_searches = rollback_searches.value_or(policy.rollback_searches);
  policy.rollback_sigmas = rollback_sigmas.value_or(policy.rollback_sigmas);
  if (const auto exploration = body.Find("exploration")) {
    ALMAGEST_TRY_VOID(ReadExploration(*exploration, policy.experiments.exploration));
  }
  if (const auto trial = body.Find("trial")) {
    ALMAGEST_TRY_VOID(ReadTrial(*trial, policy.experiments.trial));
  }
  if (const auto hours = body.Find("quiet_hours")) {
    ALMAGEST_TRY_VOID(ReadQuietHours(*hours, policy.quiet_hours));
  }
  ALMAGEST_TRY_VOID(learning.SetPolicy(*collection, field, policy));
  return PolicyReply(service, *collection, field);
}

Result<Reply> HandleListVersions(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const std::string field, UsingField(request, *collection));
  constexpr uint64_t kPageMax = 10'000;
  ALMAGEST_TRY(const uint64_t newest, QueryUnsigned(request, "offset", 0, UINT32_MAX, UINT32_MAX));
  ALMAGEST_TRY(const uint64_t limit, QueryUnsigned(request, "limit", 1, kPageMax, 100));
  ALMAGEST_TRY(const std::string report,
               service.database.learning().DescribeVersions(*collection, field,
                                                            static_cast<VersionId>(newest), limit));
  JsonWriter json = BeginResult();
  json.Raw(report);
  return ResultReply(std::move(json));
}

Result<Reply> HandleGetVersion(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const std::string field, UsingField(request, *collection));
  ALMAGEST_TRY(const VersionId version, PathVersion(request));
  ALMAGEST_TRY(const std::string details,
               service.database.learning().DescribeVersion(*collection, field, version));
  JsonWriter json = BeginResult();
  json.Raw(details);
  return ResultReply(std::move(json));
}

// The body is an adapter file (docs/job-folder.md), trained elsewhere; what it says is checked by
// the engine.
Result<Reply> HandleAddVersion(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const std::string field, UsingField(request, *collection));
  ALMAGEST_TRY(const auto versions, collection->Versions(field));
  AdapterVersion version;
  version.parent = versions->active();
  version.created_at_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                              std::chrono::system_clock::now().time_since_epoch())
                              .count();
  ALMAGEST_TRY(const VersionId id,
               collection->AddVersion(field, std::move(version), std::string(request.body)));
  JsonWriter json = BeginResult();
  json.BeginObject().Key("using").String(field).Key("version").Unsigned(id).EndObject();
  return ResultReply(std::move(json));
}

Result<Reply> HandleActivateVersion(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const VersionOptions options, ParseVersionOptions(request, true));
  ALMAGEST_TRY(const std::string field, UsingField(options.using_vector, *collection));
  ALMAGEST_TRY(const VersionId version, PathVersion(request));
  ALMAGEST_TRY_VOID(collection->ActivateVersion(field, version, options.force));
  return ActiveReply(field, version);
}

Result<Reply> HandleRollbackVersion(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const VersionOptions options, ParseVersionOptions(request, false));
  ALMAGEST_TRY(const std::string field, UsingField(options.using_vector, *collection));
  ALMAGEST_TRY(const VersionId version, collection->RollbackVersion(field));
  return ActiveReply(field, version);
}

Result<Reply> HandleGetReembedding(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const std::string field, UsingField(request, *collection));
  return ReembeddingReply(*collection, field);
}

Result<Reply> HandleSetReembedding(Service& service, const HttpRequest& request) {
  ALMAGEST_TRY(const auto collection, PathCollection(service, request));
  ALMAGEST_TRY(const std::string field, UsingField(request, *collection));
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(request.body));
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"paused"}));
  ALMAGEST_TRY(const JsonValue paused_value, body.Require("paused"));
  ALMAGEST_TRY(const bool paused, paused_value.AsBool());
  collection->PauseReembedding(paused);
  return ReembeddingReply(*collection, field);
}

}  // namespace almagest
