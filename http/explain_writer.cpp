#include "http/explain_writer.h"

namespace almagest {
namespace {

void WriteSegment(JsonWriter& json, const SegmentTrace& segment) {
  json.BeginObject();
  json.Key("id").Unsigned(segment.id);
  json.Key("sealed").Bool(segment.sealed);
  json.Key("rows").Unsigned(segment.rows);
  json.Key("matches").Unsigned(segment.matches);
  json.Key("plan").String(segment.plan);
  json.Key("reason").String(segment.reason);
  json.Key("version").Unsigned(segment.version);
  json.Key("time").Double(segment.seconds);
  json.EndObject();
}

void WriteLeg(JsonWriter& json, const LegTrace& leg) {
  json.BeginObject();
  json.Key("path").String(leg.path);
  json.Key("query").String(leg.kind);
  if (!leg.vector_name.empty()) json.Key("using").String(leg.vector_name);
  if (leg.version) json.Key("version").Unsigned(*leg.version);
  if (!leg.reason.empty()) json.Key("reason").String(leg.reason);
  if (leg.matches) json.Key("matches").Unsigned(*leg.matches);
  json.Key("found").Unsigned(leg.results.size());
  json.Key("segments").BeginArray();
  for (const SegmentTrace& segment : leg.segments) WriteSegment(json, segment);
  json.EndArray();
  json.Key("filter_time").Double(leg.filter_seconds);
  json.Key("time").Double(leg.seconds);
  json.EndObject();
}

}  // namespace

void WriteExplanation(JsonWriter& json, const QueryTrace& trace) {
  json.BeginObject().Key("legs").BeginArray();
  for (const LegTrace& leg : trace.legs) WriteLeg(json, leg);
  json.EndArray().Key("hits").BeginArray();
  for (const auto& places : trace.hits) {
    json.BeginArray();
    for (const LegPlace& place : places) {
      json.BeginObject();
      json.Key("leg").String(trace.legs[place.leg].path);
      json.Key("rank").Unsigned(place.rank);
      json.Key("score").Float(place.score);
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndArray();
  json.Key("fetch_time").Double(trace.fetch_seconds);
  json.Key("time").Double(trace.seconds);
  json.EndObject();
}

void WriteExploration(JsonWriter& json, const LoggedExploration& exploration,
                      std::span<const Hit> hits) {
  json.BeginObject();
  json.Key("explored").Bool(exploration.explored);
  json.Key("version").Unsigned(exploration.version);
  json.Key("rate").Double(exploration.rate);
  json.Key("slots").Unsigned(exploration.slots);
  json.Key("candidates").Unsigned(exploration.candidates.size());
  json.Key("shown_probabilities").BeginArray();
  for (const Hit& hit : hits) {
    const size_t rank = CandidateRank(exploration, hit.id);
    json.Double(SeenProbability(exploration, rank, /*position_bias=*/0));
  }
  json.EndArray().EndObject();
}

void WriteInterleaving(JsonWriter& json, const LoggedInterleaving& interleaving) {
  json.BeginObject().Key("versions").BeginArray();
  json.Unsigned(interleaving.first).Unsigned(interleaving.second).EndArray();
  json.Key("picks").BeginArray();
  for (const Team team : interleaving.teams) {
    if (team == Team::kNeither) {
      json.Null();
    } else {
      json.Unsigned(team == Team::kFirst ? interleaving.first : interleaving.second);
    }
  }
  json.EndArray().EndObject();
}

}  // namespace almagest
