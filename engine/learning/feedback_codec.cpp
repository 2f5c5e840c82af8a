#include "engine/learning/feedback_codec.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "storage/record_codec.h"

namespace almagest {
namespace {

using Json = nlohmann::json;

constexpr uint32_t kEventFormat = 1;
constexpr char kQueryBlob[] = "query";

Json PointToJson(const PointId& id) {
  if (const auto* number = std::get_if<uint64_t>(&id)) return *number;
  return PointIdToString(id);
}

// Throws nlohmann's exceptions, or std::invalid_argument for a malformed UUID: DecodeFeedback is
// the border that catches both.
PointId PointFromJson(const Json& json) {
  if (json.is_number_unsigned()) return json.get<uint64_t>();
  const auto uuid = ParseUuid(json.get_ref<const std::string&>());
  if (!uuid) throw std::invalid_argument("point id");
  return *uuid;
}

Json ExplorationToJson(const LoggedExploration& exploration) {
  Json candidates = Json::array();
  for (const PointId& id : exploration.candidates) candidates.push_back(PointToJson(id));
  return {{"version", exploration.version},   {"rate", exploration.rate},
          {"slots", exploration.slots},       {"shown", exploration.shown},
          {"explored", exploration.explored}, {"candidates", std::move(candidates)}};
}

LoggedExploration ExplorationFromJson(const Json& body) {
  LoggedExploration exploration;
  body.at("version").get_to(exploration.version);
  body.at("rate").get_to(exploration.rate);
  body.at("slots").get_to(exploration.slots);
  body.at("shown").get_to(exploration.shown);
  body.at("explored").get_to(exploration.explored);
  for (const Json& item : body.at("candidates")) {
    exploration.candidates.push_back(PointFromJson(item));
  }
  return exploration;
}

Json ClickToJson(const Click& click) {
  Json json = {PointToJson(click.id), click.rank.value_or(0), click.weight};
  if (click.shown_probability || click.team != Team::kNeither) {
    json.push_back(click.shown_probability ? Json(*click.shown_probability) : Json());
    json.push_back(static_cast<int>(click.team));
  }
  return json;
}

Click ClickFromJson(const Json& item) {
  Click click{PointFromJson(item.at(0)), std::nullopt, item.at(2).get<double>()};
  if (const auto rank = item.at(1).get<uint32_t>(); rank != 0) click.rank = rank;
  if (item.size() > 3 && !item.at(3).is_null()) click.shown_probability = item.at(3).get<double>();
  if (item.size() > 4 && item.at(4) == 1) click.team = Team::kFirst;
  if (item.size() > 4 && item.at(4) == 2) click.team = Team::kSecond;
  return click;
}

Json EventToJson(const FeedbackEvent& event) {
  Json body = {{"vector", event.vector_name}, {"time_ms", event.time_ms}, {"weight", event.weight}};
  if (event.query_text) body["text"] = *event.query_text;
  if (event.query_id) body["query_id"] = *event.query_id;
  if (!event.user.empty()) body["user"] = event.user;
  if (!event.tag.empty()) body["tag"] = event.tag;
  for (const Impression& shown : event.impressions) {
    body["impressions"].push_back({PointToJson(shown.id), shown.rank});
  }
  for (const Click& click : event.clicks) body["clicks"].push_back(ClickToJson(click));
  for (const Grade& grade : event.grades) {
    body["grades"].push_back({PointToJson(grade.id), grade.grade});
  }
  for (const Preference& pair : event.preferences) {
    body["preferences"].push_back({PointToJson(pair.preferred), PointToJson(pair.over)});
  }
  for (const PointId& id : event.negatives) body["negatives"].push_back(PointToJson(id));
  if (event.exploration) body["exploration"] = ExplorationToJson(*event.exploration);
  if (event.interleaved) {
    body["interleaved"] = {event.interleaved->first, event.interleaved->second};
  }
  return body;
}

FeedbackEvent EventFromJson(const Json& body) {
  static const Json kNone = Json::array();
  const auto list = [&](const char* key) -> const Json& {
    const auto found = body.find(key);
    return found == body.end() ? kNone : *found;
  };
  FeedbackEvent event;
  event.vector_name = body.at("vector").get<std::string>();
  event.time_ms = body.at("time_ms").get<int64_t>();
  event.weight = body.at("weight").get<double>();
  event.user = body.value("user", "");
  event.tag = body.value("tag", "");
  if (body.contains("text")) event.query_text = body["text"].get<std::string>();
  if (body.contains("query_id")) event.query_id = body["query_id"].get<std::string>();
  for (const Json& item : list("impressions")) {
    event.impressions.push_back({PointFromJson(item.at(0)), item.at(1).get<uint32_t>()});
  }
  for (const Json& item : list("clicks")) event.clicks.push_back(ClickFromJson(item));
  for (const Json& item : list("grades")) {
    event.grades.push_back({PointFromJson(item.at(0)), item.at(1).get<double>()});
  }
  for (const Json& item : list("preferences")) {
    event.preferences.push_back({PointFromJson(item.at(0)), PointFromJson(item.at(1))});
  }
  for (const Json& item : list("negatives")) event.negatives.push_back(PointFromJson(item));
  if (body.contains("exploration")) {
    event.exploration =
        std::make_shared<const LoggedExploration>(ExplorationFromJson(body["exploration"]));
  }
  if (body.contains("interleaved")) {
    const Json& versions = body["interleaved"];
    event.interleaved.emplace(versions.at(0).get<VersionId>(), versions.at(1).get<VersionId>());
  }
  return event;
}

bool Names(const FeedbackEvent& event, const PointId& point) {
  const auto has = [&](const auto& items) {
    return std::any_of(items.begin(), items.end(),
                       [&](const auto& item) { return item.id == point; });
  };
  return has(event.impressions) || has(event.clicks) || has(event.grades) ||
         std::any_of(
             event.preferences.begin(), event.preferences.end(),
             [&](const Preference& p) { return p.preferred == point || p.over == point; }) ||
         std::find(event.negatives.begin(), event.negatives.end(), point) != event.negatives.end();
}

}  // namespace

Result<std::string> EncodeFeedback(const FeedbackEvent& event) {
  FeedbackRecord record;
  record.kind = kEventFormat;
  try {
    record.body = EventToJson(event).dump();
  } catch (const Json::exception&) {
    return Fail(ErrorCode::kOutOfRange, "a text of the event is not valid UTF-8");
  }
  record.blobs[kQueryBlob] = EncodeDenseVector(event.query);
  return EncodeRecord(record);
}

Result<FeedbackEvent> DecodeFeedback(uint64_t id, std::string_view bytes) {
  ALMAGEST_TRY(const auto record, DecodeRecord<FeedbackRecord>(bytes));
  const auto query = record.blobs.find(kQueryBlob);
  if (record.kind != kEventFormat || query == record.blobs.end()) {
    return Fail(ErrorCode::kCorruption,
                "feedback event " + std::to_string(id) + " has an unknown form");
  }
  try {
    FeedbackEvent event = EventFromJson(Json::parse(record.body));
    event.id = id;
    ALMAGEST_TRY(event.query, DecodeDenseVector(query->second));
    return event;
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kCorruption,
                "feedback event " + std::to_string(id) + " cannot be read: " + error.what());
  }
}

bool MatchesFilter(const FeedbackEvent& event, const FeedbackFilter& filter) {
  if (filter.user && event.user != *filter.user) return false;
  if (filter.tag && event.tag != *filter.tag) return false;
  if (filter.vector_name && event.vector_name != *filter.vector_name) return false;
  if (filter.from_ms && event.time_ms < *filter.from_ms) return false;
  if (filter.until_ms && event.time_ms >= *filter.until_ms) return false;
  if (!filter.ids.empty() &&
      std::find(filter.ids.begin(), filter.ids.end(), event.id) == filter.ids.end()) {
    return false;
  }
  return !filter.point || Names(event, *filter.point);
}

std::string EncodeFilter(const FeedbackFilter& filter) {
  Json json = Json::object();
  if (filter.user) json["user"] = *filter.user;
  if (filter.tag) json["tag"] = *filter.tag;
  if (filter.from_ms) json["from_ms"] = *filter.from_ms;
  if (filter.until_ms) json["until_ms"] = *filter.until_ms;
  if (filter.point) json["point"] = PointToJson(*filter.point);
  if (!filter.ids.empty()) json["ids"] = filter.ids;
  if (filter.vector_name) json["using"] = *filter.vector_name;
  return json.dump(-1, ' ', false, Json::error_handler_t::ignore);
}

Result<FeedbackFilter> DecodeFilter(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    FeedbackFilter filter;
    if (json.contains("user")) filter.user = json["user"].get<std::string>();
    if (json.contains("tag")) filter.tag = json["tag"].get<std::string>();
    if (json.contains("from_ms")) filter.from_ms = json["from_ms"].get<int64_t>();
    if (json.contains("until_ms")) filter.until_ms = json["until_ms"].get<int64_t>();
    if (json.contains("point")) filter.point = PointFromJson(json["point"]);
    if (json.contains("ids")) filter.ids = json["ids"].get<std::vector<uint64_t>>();
    if (json.contains("using")) filter.vector_name = json["using"].get<std::string>();
    return filter;
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kCorruption,
                std::string("a filter of feedback cannot be read: ") + error.what());
  }
}

}  // namespace almagest
