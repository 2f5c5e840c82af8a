#include "http/feedback_parser.h"

#include <fmt/format.h>

#include <charconv>

#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/result_writer.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

Result<uint32_t> ParseRank(const JsonValue& value) {
  ALMAGEST_TRY(const uint64_t rank, value.AsUnsignedIn(1, UINT32_MAX));
  return static_cast<uint32_t>(rank);
}

Result<PointId> RequireId(const JsonValue& value, std::string_view key) {
  ALMAGEST_TRY(const JsonValue id, value.Require(key));
  return ParsePointId(id);
}

Result<Impression> ParseImpression(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"id", "rank"}));
  Impression impression;
  ALMAGEST_TRY(impression.id, RequireId(value, "id"));
  ALMAGEST_TRY(const JsonValue rank, value.Require("rank"));
  ALMAGEST_TRY(impression.rank, ParseRank(rank));
  return impression;
}

Result<Click> ParseClick(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"id", "rank", "weight"}));
  Click click;
  ALMAGEST_TRY(click.id, RequireId(value, "id"));
  if (const auto rank = value.Find("rank")) {
    ALMAGEST_TRY(click.rank, ParseRank(*rank));
  }
  ALMAGEST_TRY(const auto weight, value.FindDouble("weight"));
  click.weight = weight.value_or(1);
  return click;
}

Result<Grade> ParseGrade(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"id", "grade"}));
  Grade grade;
  ALMAGEST_TRY(grade.id, RequireId(value, "id"));
  ALMAGEST_TRY(const JsonValue number, value.Require("grade"));
  ALMAGEST_TRY(grade.grade, number.AsDoubleIn(0, kGradeMax));
  return grade;
}

Result<Preference> ParsePreference(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"preferred", "over"}));
  Preference preference;
  ALMAGEST_TRY(preference.preferred, RequireId(value, "preferred"));
  ALMAGEST_TRY(preference.over, RequireId(value, "over"));
  return preference;
}

// An optional list of `key`, each parsed by `parse`.
template <class T>
Result<> ParseList(const JsonValue& event, std::string_view key,
                   Result<T> (*parse)(const JsonValue&), std::vector<T>& list) {
  const auto value = event.Find(key);
  if (!value) return {};
  ALMAGEST_TRY(const auto items, value->Items());
  if (items.size() > kFeedbackPointsMax) {
    return Fail(ValueError(value->path(), fmt::format("of {} entries", items.size()),
                           fmt::format("at most {} entries", kFeedbackPointsMax)));
  }
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(T entry, parse(item));
    list.push_back(std::move(entry));
  }
  return {};
}

Result<> ParseFeedbackTarget(const JsonValue& value, TextResolver& texts, FeedbackInput& input) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"vector", "text", "model", "point", "query_id"}));
  const auto vector = value.Find("vector");
  const auto text = value.Find("text");
  const auto point = value.Find("point");
  const auto query_id = value.Find("query_id");
  if (vector.has_value() + text.has_value() + point.has_value() + query_id.has_value() != 1) {
    return Fail(FormatError(value.path(),
                            "expected exactly one of `vector`, `text` (with "
                            "`model`), `point` and `query_id`"));
  }
  if (point) {
    ALMAGEST_TRY(input.query, ParsePointId(*point));
    return {};
  }
  if (query_id) {
    ALMAGEST_TRY(const std::string_view id, query_id->AsString());
    input.query = std::string(id);
    return {};
  }
  VectorData data;
  if (vector) {
    ALMAGEST_TRY(data, ParseVector(*vector, texts, /*is_query=*/true));
  } else {
    ALMAGEST_TRY(data, texts.Resolve(value, /*is_query=*/true));
    input.event.query_text = std::string(*text->AsString());
  }
  auto* dense = std::get_if<DenseVector>(&data);
  if (dense == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}: feedback takes a dense query vector", value.path()));
  }
  input.query = std::move(*dense);
  return {};
}

Result<FeedbackInput> ParseEvent(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY_VOID(
      value.RefuseUnknownKeys({"query", "using", "user", "tag", "time_ms", "weight", "impressions",
                               "clicks", "grades", "preferences", "negatives"}));
  FeedbackInput input;
  ALMAGEST_TRY(const JsonValue query, value.Require("query"));
  ALMAGEST_TRY_VOID(ParseFeedbackTarget(query, texts, input));
  FeedbackEvent& event = input.event;
  ALMAGEST_TRY(const auto using_vector, value.FindString("using"));
  ALMAGEST_TRY(const auto user, value.FindString("user"));
  ALMAGEST_TRY(const auto tag, value.FindString("tag"));
  ALMAGEST_TRY(const auto weight, value.FindDouble("weight"));
  event.vector_name = using_vector.value_or("");
  event.user = user.value_or("");
  event.tag = tag.value_or("");
  event.weight = weight.value_or(1);
  if (const auto time = value.Find("time_ms")) {
    ALMAGEST_TRY(event.time_ms, time->AsInteger());
  }
  ALMAGEST_TRY_VOID(ParseList(value, "impressions", ParseImpression, event.impressions));
  ALMAGEST_TRY_VOID(ParseList(value, "clicks", ParseClick, event.clicks));
  ALMAGEST_TRY_VOID(ParseList(value, "grades", ParseGrade, event.grades));
  ALMAGEST_TRY_VOID(ParseList(value, "preferences", ParsePreference, event.preferences));
  ALMAGEST_TRY_VOID(ParseList(value, "negatives", ParsePointId, event.negatives));
  return input;
}

Result<std::optional<int64_t>> FindTime(const JsonValue& body, std::string_view key) {
  const auto value = body.Find(key);
  if (!value) return std::optional<int64_t>();
  ALMAGEST_TRY(const int64_t time, value->AsInteger());
  return std::optional<int64_t>(time);
}

Result<std::optional<int64_t>> FindTime(const HttpRequest& request, std::string_view name) {
  const std::string* text = request.FindQuery(name);
  if (text == nullptr) return std::optional<int64_t>();
  int64_t time = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), time);
  if (error != std::errc() || end != text->data() + text->size()) {
    return Fail(QueryParameterError(name, "must be a whole number (milliseconds since 1970)"));
  }
  return std::optional<int64_t>(time);
}

// What every filter may ask for.
Result<FeedbackFilter> ParseConditions(const JsonValue& value) {
  FeedbackFilter filter;
  ALMAGEST_TRY(filter.user, value.FindString("user"));
  ALMAGEST_TRY(filter.tag, value.FindString("tag"));
  ALMAGEST_TRY(filter.from_ms, FindTime(value, "from_ms"));
  ALMAGEST_TRY(filter.until_ms, FindTime(value, "until_ms"));
  if (const auto point = value.Find("point")) {
    ALMAGEST_TRY(filter.point, ParsePointId(*point));
  }
  return filter;
}

Result<Grade> ParseJudgedPoint(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"id", "grade"}));
  Grade judged;
  judged.grade = 1;
  ALMAGEST_TRY(judged.id, RequireId(value, "id"));
  if (const auto grade = value.Find("grade")) {
    ALMAGEST_TRY(judged.grade, grade->AsDoubleIn(0, kGradeMax));
  }
  return judged;
}

}  // namespace

Result<std::vector<Grade>> ParseJudgedPoints(const JsonValue& query) {
  ALMAGEST_TRY(const JsonValue judgements, query.Require("judgements"));
  ALMAGEST_TRY(const auto items, judgements.Items());
  std::vector<Grade> judged;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(judged.emplace_back(), ParseJudgedPoint(item));
  }
  return judged;
}

Result<std::vector<FeedbackInput>> ParseFeedback(const JsonValue& body, TextResolver& texts) {
  ALMAGEST_TRY_VOID(body.ExpectObject());
  std::vector<FeedbackInput> inputs;
  const auto events = body.Find("events");
  if (!events) {
    ALMAGEST_TRY(FeedbackInput input, ParseEvent(body, texts));
    inputs.push_back(std::move(input));
    return inputs;
  }
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys({"events"}));
  ALMAGEST_TRY(const auto items, events->Items());
  if (items.empty() || items.size() > kFeedbackBatchMax) {
    return Fail(ValueError(events->path(), fmt::format("of {} entries", items.size()),
                           fmt::format("from 1 to {} entries", kFeedbackBatchMax)));
  }
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(FeedbackInput input, ParseEvent(item, texts));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

Result<FeedbackFilter> ParseFeedbackFilter(const JsonValue& body) {
  ALMAGEST_TRY_VOID(body.RefuseUnknownKeys(
      {"user", "tag", "from_ms", "until_ms", "point", "ids", "using", "all"}));
  ALMAGEST_TRY(FeedbackFilter filter, ParseConditions(body));
  ALMAGEST_TRY(filter.vector_name, body.FindString("using"));
  if (const auto ids = body.Find("ids")) {
    ALMAGEST_TRY(const auto items, ids->Items());
    if (items.empty()) return Fail(ValueError(ids->path(), "[]", "at least one event id"));
    for (const JsonValue& item : items) {
      ALMAGEST_TRY(const uint64_t id, item.AsUnsigned());
      filter.ids.push_back(id);
    }
  }
  ALMAGEST_TRY(const auto all, body.FindBool("all"));
  const bool has_condition = filter != FeedbackFilter();
  if (has_condition == all.value_or(false)) {
    return Fail(FormatError("",
                            "expected at least one of `user`, `tag`, `from_ms`, `until_ms`, "
                            "`point`, `ids` and `using`, or else `all`: true"));
  }
  return filter;
}

Result<FeedbackFilter> ParseFeedbackPart(const JsonValue& value) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"user", "tag", "from_ms", "until_ms", "point"}));
  ALMAGEST_TRY(FeedbackFilter filter, ParseConditions(value));
  if (filter == FeedbackFilter()) {
    return Fail(FormatError(value.path(),
                            "expected at least one of `user`, `tag`, `from_ms`, `until_ms` and "
                            "`point`; without `feedback` an adaptation learns from all"));
  }
  return filter;
}

Result<FeedbackFilter> ParseFeedbackQuery(const HttpRequest& request) {
  FeedbackFilter filter;
  if (const std::string* user = request.FindQuery("user")) filter.user = *user;
  if (const std::string* tag = request.FindQuery("tag")) filter.tag = *tag;
  if (const std::string* name = request.FindQuery("using")) filter.vector_name = *name;
  if (const std::string* point = request.FindQuery("point")) {
    ALMAGEST_TRY(filter.point, ParsePointIdText(*point));
  }
  ALMAGEST_TRY(filter.from_ms, FindTime(request, "from_ms"));
  ALMAGEST_TRY(filter.until_ms, FindTime(request, "until_ms"));
  return filter;
}

namespace {

void WriteLoggedExploration(JsonWriter& json, const LoggedExploration& exploration) {
  json.BeginObject();
  json.Key("explored").Bool(exploration.explored);
  json.Key("version").Unsigned(exploration.version);
  json.Key("rate").Double(exploration.rate);
  json.Key("slots").Unsigned(exploration.slots);
  json.Key("shown").Unsigned(exploration.shown);
  json.Key("candidates").BeginArray();
  for (const PointId& id : exploration.candidates) WritePointId(json, id);
  json.EndArray().EndObject();
}

}  // namespace

void WriteFeedbackEvent(JsonWriter& json, const FeedbackEvent& event, bool with_vector) {
  json.BeginObject();
  json.Key("id").Unsigned(event.id);
  json.Key("using").String(event.vector_name);
  json.Key("query").BeginObject();
  if (event.query_text) json.Key("text").String(*event.query_text);
  if (event.query_id) json.Key("query_id").String(*event.query_id);
  if (with_vector) {
    json.Key("vector").BeginArray();
    for (const float value : event.query) json.Float(value);
    json.EndArray();
  }
  json.EndObject();
  json.Key("user").String(event.user);
  json.Key("tag").String(event.tag);
  json.Key("time_ms").Integer(event.time_ms);
  json.Key("weight").Double(event.weight);
  json.Key("impressions").BeginArray();
  for (const Impression& impression : event.impressions) {
    json.BeginObject().Key("id");
    WritePointId(json, impression.id);
    json.Key("rank").Unsigned(impression.rank).EndObject();
  }
  json.EndArray().Key("clicks").BeginArray();
  for (const Click& click : event.clicks) {
    json.BeginObject().Key("id");
    WritePointId(json, click.id);
    if (click.rank) json.Key("rank").Unsigned(*click.rank);
    json.Key("weight").Double(click.weight);
    if (click.shown_probability) json.Key("shown_probability").Double(*click.shown_probability);
    if (event.interleaved && click.team != Team::kNeither) {
      const auto& [first, second] = *event.interleaved;
      json.Key("picked_by").Unsigned(click.team == Team::kFirst ? first : second);
    }
    json.EndObject();
  }
  json.EndArray().Key("grades").BeginArray();
  for (const Grade& grade : event.grades) {
    json.BeginObject().Key("id");
    WritePointId(json, grade.id);
    json.Key("grade").Double(grade.grade).EndObject();
  }
  json.EndArray().Key("preferences").BeginArray();
  for (const Preference& preference : event.preferences) {
    json.BeginObject().Key("preferred");
    WritePointId(json, preference.preferred);
    json.Key("over");
    WritePointId(json, preference.over);
    json.EndObject();
  }
  json.EndArray().Key("negatives").BeginArray();
  for (const PointId& id : event.negatives) WritePointId(json, id);
  json.EndArray();
  if (event.exploration) {
    json.Key("exploration");
    WriteLoggedExploration(json, *event.exploration);
  }
  if (event.interleaved) {
    json.Key("interleaved").BeginArray().Unsigned(event.interleaved->first);
    json.Unsigned(event.interleaved->second).EndArray();
  }
  json.EndObject();
}

}  // namespace almagest
