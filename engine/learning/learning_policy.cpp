#include "engine/learning/learning_policy.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "storage/key_layout.h"
#include "storage/record_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kPolicyFormat = 3;
constexpr double kMsPerHour = 3'600'000;

std::string Decimal(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

Result<> CheckRange(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kOutOfRange, std::string(name) + " is " + Decimal(value) +
                                          ", it must be from " + Decimal(low) + " to " +
                                          Decimal(high));
}

std::string PolicyKey(CollectionId collection, FieldId field) {
  return LearningKey(collection, LearningKind::kPolicy, field);
}

Json ToJson(const LearningState& state) {
  const LearningPolicy& policy = state.policy;
  const ExplorationPolicy& exploration = policy.experiments.exploration;
  const TrialPolicy& trial = policy.experiments.trial;
  Json json = {
      {"automatic", policy.automatic},
      {"min_new_events", policy.min_new_events},
      {"min_hours", policy.min_hours},
      {"rollback", policy.rollback},
      {"rollback_searches", policy.rollback_searches},
      {"rollback_sigmas", policy.rollback_sigmas},
      {"quiet_from", policy.quiet_hours.from},
      {"quiet_until", policy.quiet_hours.until},
      {"exploration",
       {{"slots", exploration.slots}, {"depth", exploration.depth}, {"rate", exploration.rate}}},
      {"trial",
       {{"mode", static_cast<int>(trial.mode)}, {"version", trial.version}, {"rate", trial.rate}}},
      {"seen_event", state.seen_event},
      {"last_start_ms", state.last_start_ms}};
  if (const auto& rollback = state.last_rollback) {
    json["last_rollback"] = {{"from", rollback->from},
                             {"to", rollback->to},
                             {"time_ms", rollback->time_ms},
                             {"reason", rollback->reason}};
  }
  return json;
}

LearningState FromJson(const Json& json) {
  LearningState state;
  LearningPolicy& policy = state.policy;
  json.at("automatic").get_to(policy.automatic);
  json.at("min_new_events").get_to(policy.min_new_events);
  json.at("min_hours").get_to(policy.min_hours);
  json.at("rollback").get_to(policy.rollback);
  json.at("rollback_searches").get_to(policy.rollback_searches);
  json.at("rollback_sigmas").get_to(policy.rollback_sigmas);
  if (json.contains("exploration")) {  // Older records have none of these.
    json.at("quiet_from").get_to(policy.quiet_hours.from);
    json.at("quiet_until").get_to(policy.quiet_hours.until);
    const Json& explores = json.at("exploration");
    ExplorationPolicy& exploration = policy.experiments.exploration;
    explores.at("slots").get_to(exploration.slots);
    explores.at("depth").get_to(exploration.depth);
    explores.at("rate").get_to(exploration.rate);
    const Json& tries = json.at("trial");
    TrialPolicy& trial = policy.experiments.trial;
    trial.mode = static_cast<TrialPolicy::Mode>(tries.at("mode").get<uint8_t>());
    tries.at("version").get_to(trial.version);
    tries.at("rate").get_to(trial.rate);
  }
  json.at("seen_event").get_to(state.seen_event);
  json.at("last_start_ms").get_to(state.last_start_ms);
  if (json.contains("last_rollback")) {
    const Json& given = json.at("last_rollback");
    state.last_rollback = {given.at("from").get<VersionId>(), given.at("to").get<VersionId>(),
                           given.at("time_ms").get<int64_t>(),
                           given.at("reason").get<std::string>()};
  }
  return state;
}

}  // namespace

Result<> CheckPolicy(const LearningPolicy& policy) {
  ALMAGEST_TRY_VOID(
      CheckRange("min_new_events", static_cast<double>(policy.min_new_events), 1, 1e9));
  ALMAGEST_TRY_VOID(CheckRange("min_hours", policy.min_hours, 0, 8'760));
  ALMAGEST_TRY_VOID(
      CheckRange("rollback_searches", static_cast<double>(policy.rollback_searches), 100, 1e6));
  ALMAGEST_TRY_VOID(CheckRange("rollback_sigmas", policy.rollback_sigmas, 1, 10));
  ALMAGEST_TRY_VOID(CheckRange("quiet_hours.from", policy.quiet_hours.from, 0, 23));
  ALMAGEST_TRY_VOID(CheckRange("quiet_hours.until", policy.quiet_hours.until, 0, 23));
  ALMAGEST_TRY_VOID(CheckRange("trial.rate", policy.experiments.trial.rate, 0, 1));
  const ExplorationPolicy& exploration = policy.experiments.exploration;
  ALMAGEST_TRY_VOID(CheckRange("exploration.slots", exploration.slots, 0, kExplorationSlotsMax));
  // A place is always kept for the best hit, and there is something further down.
  ALMAGEST_TRY_VOID(CheckRange("exploration.depth", exploration.depth, exploration.slots + 2,
                               kExplorationDepthMax));
  return CheckRange("exploration.rate", exploration.rate, 0, 1);
}

Result<LearningState> PolicyStore::Read(CollectionId collection, FieldId field) const {
  ALMAGEST_TRY(const auto bytes, store_.Get(ColumnFamily::kLearning, PolicyKey(collection, field)));
  if (!bytes) return LearningState{};
  ALMAGEST_TRY(const auto record, DecodeRecord<JobRecord>(*bytes));
  try {
    if (record.kind == kPolicyFormat) return FromJson(Json::parse(record.body));
  } catch (const Json::exception&) {
    // Said below.
  }
  return Fail(ErrorCode::kCorruption, "the learning policy of a vector cannot be read");
}

Result<> PolicyStore::Update(CollectionId collection, FieldId field,
                             const std::function<void(LearningState&)>& change) {
  const std::lock_guard lock(mutex_);
  ALMAGEST_TRY(LearningState state, Read(collection, field));
  change(state);
  JobRecord record;
  record.kind = kPolicyFormat;
  record.body = ToJson(state).dump(-1, ' ', false, Json::error_handler_t::replace);
  WriteBatch batch;
  batch.Put(ColumnFamily::kLearning, PolicyKey(collection, field), EncodeRecord(record));
  return store_.Write(batch, Durability::kSync);
}

bool QuietHours::Contains(int64_t time_ms) const {
  const auto hour = static_cast<uint32_t>(time_ms / static_cast<int64_t>(kMsPerHour) % 24);
  if (from <= until) return from <= hour && hour < until;
  return hour >= from || hour < until;
}

bool IsJobDue(const LearningState& state, uint64_t last_event, int64_t now_ms) {
  if (!state.policy.automatic || state.policy.quiet_hours.Contains(now_ms)) return false;
  const uint64_t events = last_event > state.seen_event ? last_event - state.seen_event : 0;
  const double hours = static_cast<double>(now_ms - state.last_start_ms) / kMsPerHour;
  return events >= state.policy.min_new_events && hours >= state.policy.min_hours;
}

std::optional<std::string> RollbackReason(const LearningPolicy& policy,
                                          const LiveComparison& comparison) {
  const auto enough = static_cast<double>(policy.rollback_searches);
  if (!policy.rollback || comparison.now.searches < enough || comparison.then.searches < enough ||
      comparison.sigmas > -policy.rollback_sigmas) {
    return std::nullopt;
  }
  const auto facts = [](VersionId version, const LiveSample& sample) {
    return "version " + std::to_string(version) + " " + Decimal(sample.mean()) + " over " +
           std::to_string(static_cast<uint64_t>(sample.searches)) + " searches";
  };
  return "users found less: the mean reciprocal rank of clicks is for " +
         facts(comparison.active, comparison.now) + ", for " +
         facts(comparison.before, comparison.then) + ", a fall of " + Decimal(-comparison.sigmas) +
         " standard errors (the limit is " + Decimal(policy.rollback_sigmas) + ")";
}

}  // namespace almagest
