#include "training/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "storage/base/file.h"

namespace almagest::training {
namespace {

using Json = nlohmann::ordered_json;

// Six decimals are plenty; not-a-number becomes null.
Json Number(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::abs(value) < 1e9 ? std::round(value * 1e6) / 1e6 : value;
}

Json ToJson(const Interval& interval) {
  return {{"mean", Number(interval.mean)},
          {"low", Number(interval.low)},
          {"high", Number(interval.high)}};
}

Json ToJson(const std::vector<QueryMetrics>& metrics) {
  const auto column = [&](double QueryMetrics::*member) {
    return ToJson(BootstrapMean(Column(metrics, member)));
  };
  return {{"ndcg_at_10", column(&QueryMetrics::ndcg_at_10)},
          {"recall_at_10", column(&QueryMetrics::recall_at_10)},
          {"recall_at_100", column(&QueryMetrics::recall_at_100)},
          {"mrr_at_10", column(&QueryMetrics::mrr_at_10)}};
}

Json ToJson(const GateDecision& gate) {
  Json conditions = Json::array();
  for (const GateCondition& condition : gate.conditions) {
    conditions.push_back({{"name", condition.name},
                          {"value", Number(condition.value)},
                          {"limit", Number(condition.limit)},
                          {"passed", condition.passed},
                          {"explanation", condition.explanation}});
  }
  return {{"verdict", VerdictName(gate.verdict)}, {"conditions", conditions}};
}

Json Means(const std::vector<std::vector<double>>& cells, size_t size) {
  Json rows = Json::array();
  for (size_t row = 0; row < size; ++row) {
    Json columns = Json::array();
    for (size_t column = 0; column < size; ++column) {
      columns.push_back(Number(Mean(cells[row * size + column])));
    }
    rows.push_back(std::move(columns));
  }
  return rows;
}

Json ToJson(const NegativeHardness& hardness) {
  double total = 0;
  for (const size_t count : hardness.counts) total += static_cast<double>(count);
  Json shares = Json::array();
  for (const size_t count : hardness.counts) {
    shares.push_back(Number(static_cast<double>(count) / std::max(total, 1.0)));
  }
  return {{"margins", NegativeHardness::kMargins},
          {"shares", std::move(shares)},
          {"weight", Number(hardness.weight)}};
}

Json ToJson(const Selection& selection) {
  Json candidates = Json::array();
  for (const CandidateRecord& candidate : selection.candidates) {
    Json curve = Json::array();
    for (const LossPoint& point : candidate.curve) {
      curve.push_back({{"step", point.step},
                       {"loss", Number(point.loss)},
                       {"validation_ndcg_at_10", Number(point.validation_ndcg_at_10)}});
    }
    candidates.push_back({{"name", candidate.name},
                          {"best_step", candidate.best_step},
                          {"change_factor", Number(candidate.change_factor)},
                          {"temperature", Number(candidate.temperature)},
                          {"validation_ndcg_at_10", Number(candidate.validation_ndcg_at_10)},
                          {"hardness", ToJson(candidate.hardness)},
                          {"curve", std::move(curve)}});
    if (candidate.expert_loads.empty()) continue;
    Json loads = Json::array();
    for (const float load : candidate.expert_loads) loads.push_back(Number(load));
    candidates.back()["expert_loads"] = std::move(loads);
  }
  return candidates;
}

Json ToJson(const Geometry& geometry) {
  return {{"finite", geometry.finite},
          {"effective_rank", Number(geometry.effective_rank)},
          {"base_effective_rank", Number(geometry.base_effective_rank)},
          {"condition", Number(geometry.condition)},
          {"operator_norm_minus_identity", Number(geometry.operator_norm_minus_identity)},
          {"alignment", Number(geometry.alignment)},
          {"uniformity", Number(geometry.uniformity)}};
}

Json ToJson(const Drift& drift) {
  return {{"guard_queries", drift.queries},
          {"documents", drift.documents},
          {"overlap_at_10", Number(drift.overlap_at_10)},
          {"self_retrieval", Number(drift.self_retrieval)},
          {"self_retrieval_before", Number(drift.self_retrieval_before)}};
}

Json ToJson(const QueryCell& cell) {
  return {{"queries", cell.trained_query ? "training" : "held_out"},
          {"documents", cell.seen_documents ? "seen" : "unseen"},
          {"count", cell.group.size()},
          {"ndcg_at_10",
           {{"active", Number(Mean(cell.active))}, {"trained", Number(Mean(cell.trained))}}},
          {"gain", ToJson(PairedGain(cell.trained, cell.active, cell.group))}};
}

// `events` names the queries for the reader, where the job folder does.
Json ToJson(const std::vector<QueryChange>& changes, std::span<const int64_t> events) {
  Json list = Json::array();
  for (const QueryChange& change : changes) {
    const auto row = static_cast<size_t>(change.query);
    list.push_back({{"query", change.query},
                    {"event", row < events.size() ? Json(events[row]) : Json(nullptr)},
                    {"active", Number(change.active)},
                    {"trained", Number(change.trained)}});
  }
  return list;
}

Json ToJson(const QueryChanges& changes, std::span<const int64_t> events) {
  return {{"won", changes.won},
          {"lost", changes.lost},
          {"unchanged", changes.unchanged},
          {"won_most", ToJson(changes.won_most, events)},
          {"lost_most", ToJson(changes.lost_most, events)}};
}

Json ToJson(const ScoreScale& scale) {
  const auto numbers = [](std::span<const double> values) {
    Json list = Json::array();
    for (const double value : values) list.push_back(Number(value));
    return list;
  };
  return {{"queries", scale.queries},
          {"of", scale.guarded ? "recent_searches" : "held_out_queries"},
          {"levels", numbers(ScoreScale::kLevels)},
          {"base", numbers(scale.base)},
          {"active", numbers(scale.active)},
          {"trained", numbers(scale.trained)}};
}

Json ToJson(const RelevanceScale& relevance) {
  return {{"scale", Number(relevance.scale)},
          {"bias", Number(relevance.bias)},
          {"expected_calibration_error", Number(relevance.expected_calibration_error)}};
}

Json ToJson(const TrustedValues& values) {
  const TrustedCounts& counts = values.counts;
  Json json = {{"given", counts.given},
               {"queries", values.group.size()},
               {"judgements_gone", counts.judgements_gone},
               {"also_in_feedback", counts.also_in_feedback}};
  if (values.group.empty()) return json;
  json["ndcg_at_10"] = {{"active", Number(Mean(values.active))},
                        {"trained", Number(Mean(values.trained))}};
  json["gain"] = ToJson(PairedGain(values.trained, values.active, values.group));
  return json;
}

Json ToJson(const FusionChoice& fusion) {
  return {{"k", fusion.weights.k},
          {"weights", {{"dense", fusion.weights.dense}, {"text", fusion.weights.text}}},
          {"queries", fusion.queries},
          {"ndcg_at_10",
           {{"dense", Number(fusion.dense_ndcg_at_10)},
            {"text", Number(fusion.text_ndcg_at_10)},
            {"equal_weights", Number(fusion.equal_ndcg_at_10)},
            {"learned", Number(fusion.ndcg_at_10)}}},
          {"gain_over_best_leg", ToJson(fusion.gain_over_best_leg)},
          {"explanation", fusion.explanation}};
}

}  // namespace

Result<> WriteReport(const std::filesystem::path& path, const JobReport& report) {
  Json json = {{"format_version", 1},
               {"status", report.status},
               {"reason", report.reason},
               {"device", report.device},
               {"kind", report.kind}};
  Json seconds = Json::object();
  for (const auto& [phase, spent] : report.seconds) seconds[phase] = Number(spent);
  json["seconds"] = std::move(seconds);
  json["steps"] = report.steps;
  const QueryCell unseen = report.cells.empty() ? QueryCell() : report.cells.back();
  json["queries"] = {{"train", report.train_queries},
                     {"validation", report.validation_queries},
                     {"held_out", report.held_out_queries},
                     {"held_out_unseen_documents", unseen.group.size()}};
  Json metrics = Json::object();
  for (const MethodMetrics& method : report.methods) {
    metrics[method.name] = ToJson(method.per_query);
  }
  json["metrics"] = std::move(metrics);
  json["gain"] = ToJson(report.gate.gain);
  json["gain"]["over_whitened"] = ToJson(report.gain_over_whitened);
  json["gain"]["over_active_on_unseen_documents"] =
      ToJson(PairedGain(unseen.trained, unseen.active, unseen.group));
  json["cells"] = Json::array();
  for (const QueryCell& cell : report.cells) json["cells"].push_back(ToJson(cell));
  if (report.changes) json["changes"] = ToJson(*report.changes, report.query_events);
  json["gate"] = ToJson(report.gate);
  json["compatibility"] = {
      {"versions", report.versions},
      {"ndcg_at_10", Means(report.compatibility.ndcg_at_10, report.compatibility.size)},
      {"ndcg_at_10_without_lengths",
       Means(report.compatibility.without_lengths, report.compatibility.size)}};
  if (report.selection) {
    json["winner"] = report.selection->winner;
    json["explanation"] = report.selection->explanation;
    json["whitening_power"] = report.selection->whitening_power;
    json["loss_curve"] = ToJson(*report.selection);
  }
  if (report.fusion) json["fusion"] = ToJson(*report.fusion);
  if (report.deployment) {
    json["deployed"] = {{"trained_on_held_out_too", report.deployment->trained_on_all},
                        {"overlap_at_10", Number(report.deployment->overlap_at_10)}};
    if (const auto& gain = report.deployment->trusted_gain) {
      json["deployed"]["trusted_gain"] = ToJson(*gain);
    }
  }
  if (report.geometry) json["geometry"] = ToJson(*report.geometry);
  if (report.drift) json["drift"] = ToJson(*report.drift);
  if (report.scores) json["scores"] = ToJson(*report.scores);
  if (report.relevance) json["relevance"] = ToJson(*report.relevance);
  if (report.trusted) json["trusted"] = ToJson(*report.trusted);
  return WriteFileAtomically(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace almagest::training
