#include "training/bridge_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "storage/base/file.h"
#include "storage/base/safetensors.h"

namespace almagest::training {
namespace {

using OrderedJson = nlohmann::ordered_json;

OrderedJson Rounded(double value) {
  if (!std::isfinite(value)) return nullptr;
  return std::round(value * 1e6) / 1e6;
}

OrderedJson Bounds(const Interval& interval) {
  return {{"mean", Rounded(interval.mean)},
          {"low", Rounded(interval.low)},
          {"high", Rounded(interval.high)}};
}

const char* NameOf(BridgeVerdict verdict) {
  switch (verdict) {
    case BridgeVerdict::kAccept:
      return "accept";
    case BridgeVerdict::kUnknown:
      return "unknown";
    case BridgeVerdict::kRefuse:
      return "refuse";
  }
  return "refuse";
}

OrderedJson JudgedPart(const BridgeReport& report) {
  OrderedJson judged = {{"queries", report.judged}, {"with_both_vectors", report.judged_with_both}};
  if (report.judged_with_both == 0) return judged;
  const auto ratio = [](const Interval& a, const Interval& b) {
    return Rounded(b.mean > 0 ? a.mean / b.mean : std::nan(""));
  };
  judged["ndcg_at_10"] = {{"new", Bounds(report.ndcg_new)},
                          {"old", Bounds(report.ndcg_old)},
                          {"bridge", Bounds(report.ndcg_bridge)}};
  judged["retention"] = ratio(report.ndcg_bridge, report.ndcg_new);
  judged["new_over_old"] = ratio(report.ndcg_new, report.ndcg_old);
  judged["bridge_over_old"] = ratio(report.ndcg_bridge, report.ndcg_old);
  return judged;
}

OrderedJson MixturesPart(const BridgeReport& report) {
  OrderedJson rows = OrderedJson::array();
  for (const BridgeMixture& mixture : report.mixtures) {
    OrderedJson row = {{"share", Rounded(mixture.share)},
                       {"retention_at_10", Bounds(mixture.retention)}};
    if (report.judged > 0) row["ndcg_at_10"] = Bounds(mixture.ndcg_at_10);
    if (report.judged_with_both > 0) row["gain_over_old"] = Bounds(mixture.gain_over_old);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

Result<> WriteBridgeMap(const std::filesystem::path& path, const BridgeFolder& folder,
                        const BridgeMap& map, const MonotoneCurve& curve) {
  const auto knots = static_cast<int64_t>(curve.inputs().size());
  SafetensorsWriter writer;
  writer.SetMetadata("format_version", "1");
  writer.SetMetadata("kind", map.kind);
  // The other direction has the same shapes where dimensions are equal, and finds nothing.
  writer.SetMetadata("direction", "queries");
  writer.SetMetadata("from", folder.from.vector);
  writer.SetMetadata("to", folder.to.vector);
  writer.SetMetadata("from_dimension", std::to_string(folder.from.dimension));
  writer.SetMetadata("to_dimension", std::to_string(folder.to.dimension));
  writer.AddFloat32("weight", {folder.to.dimension, folder.from.dimension}, map.weight);
  writer.AddFloat32("bias", {folder.to.dimension}, map.bias);
  writer.AddFloat32("curve_inputs", {knots}, curve.inputs());
  writer.AddFloat32("curve_outputs", {knots}, curve.outputs());
  return writer.Write(path);
}

Result<> WriteBridgeReport(const std::filesystem::path& path, const BridgeReport& report,
                           Progress* progress) {
  OrderedJson seconds = OrderedJson::object();
  for (const auto& [phase, spent] : progress->Seconds()) seconds[phase] = Rounded(spent);
  OrderedJson candidates = OrderedJson::array();
  for (const auto& candidate : report.candidates) {
    candidates.push_back(
        {{"name", candidate.name}, {"retention_at_10", Rounded(candidate.retention)}});
  }
  OrderedJson conditions = OrderedJson::array();
  for (const auto& condition : report.conditions) {
    conditions.push_back({{"name", condition.name},
                          {"value", Rounded(condition.value)},
                          {"limit", Rounded(condition.limit)},
                          {"passed", condition.passed},
                          {"explanation", condition.explanation}});
  }
  const OrderedJson json = {
      {"format_version", 1},
      {"status", "fitted"},
      {"reason", report.reason},
      {"device", report.device},
      {"kind", report.chosen},
      {"seconds", seconds},
      {"pairs", {{"all", report.pairs}, {"fitted", report.fitted}, {"held_out", report.held_out}}},
      {"candidates", candidates},
      {"calibration",
       {{"kind", report.calibration},
        {"on", report.calibrated_on},
        {"raw_score_distance", Rounded(report.score_distance)}}},
      {"retention_at_10",
       {{"bridge", Bounds(report.mixtures.front().retention)},
        {"old_model", Bounds(report.old_retention)}}},
      {"agreement_with_old_at_10", Bounds(report.agreement_with_old)},
      {"mixtures", MixturesPart(report)},
      {"judged", JudgedPart(report)},
      {"gate", {{"verdict", NameOf(report.verdict)}, {"conditions", conditions}}}};
  return WriteFileAtomically(path, json.dump(2, ' ', false, OrderedJson::error_handler_t::replace));
}

}  // namespace almagest::training
