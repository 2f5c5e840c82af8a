#include "training/bridge_job.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>

#include "training/bridge_measure.h"
#include "training/bridge_report.h"
#include "training/job_frame.h"
#include "training/metrics.h"

namespace almagest::training {
namespace {

constexpr double kRidgeStrengths[] = {0.001, 0.01, 0.1, 1};
constexpr double kShares[] = {0, 0.1, 0.25, 0.5, 0.75, 1};
constexpr double kHeldOutShare = 0.15;  // Of the documents; as much again validates.
constexpr size_t kProbesMax = 1'000;
constexpr size_t kCalibrationQueriesMin = 100;

std::string Text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

class BridgeJob {
 public:
  BridgeJob(const BridgeFolder& folder, Progress* progress)
      : folder_(folder), progress_(progress), judged_(GroupJudgements(folder.judgements)) {}

  Result<BridgeReport> Run() {
    if (folder_.document_count < kBridgePairsMin) {
      return Fail(ErrorCode::kFailedPrecondition,
                  "there are " + std::to_string(folder_.document_count) +
                      " documents with both vectors, at least " + std::to_string(kBridgePairsMin) +
                      " are needed");
    }
    ALMAGEST_TRY(space_, BridgeSpace::Create(folder_));
    report_.device = space_->device_name();
    Split();
    progress_->Phase("training");
    Choose();
    progress_->Phase("evaluating");
    ALMAGEST_TRY_VOID(Calibrate());
    Measure();
    Judge();
    Decide();
    // What is served is the same recipe fitted on all pairs; nothing is left to judge it by.
    progress_->Phase("training");
    std::vector<int32_t> all(static_cast<size_t>(folder_.document_count));
    std::iota(all.begin(), all.end(), 0);
    map_ = Fit(all, strength_);
    ALMAGEST_TRY_VOID(WriteBridgeMap(folder_.path / "bridge.safetensors", folder_, map_, *curve_));
    return std::move(report_);
  }

 private:
  void Split() {
    std::vector<int32_t> order(static_cast<size_t>(folder_.document_count));
    std::iota(order.begin(), order.end(), 0);
    std::mt19937_64 random(folder_.seed);
    for (size_t i = order.size(); i-- > 1;) std::swap(order[i], order[random() % (i + 1)]);
    const auto held =
        static_cast<ptrdiff_t>(kHeldOutShare * static_cast<double>(folder_.document_count));
    const auto probes = std::min<ptrdiff_t>(held, kProbesMax);
    held_out_.assign(order.begin(), order.begin() + probes);
    validation_.assign(order.begin() + held, order.begin() + held + probes);
    fitted_.assign(order.begin() + 2 * held, order.end());
    report_.pairs = order.size();
    report_.fitted = fitted_.size();
    report_.held_out = held_out_.size();
  }

  // `strength` below 0: Procrustes.
  BridgeMap Fit(std::span<const int32_t> rows, double strength) const {
    return strength < 0 ? space_->FitProcrustes(rows) : space_->FitRidge(rows, strength);
  }

  void Choose() {
    const Probes probes{true, validation_};
    const ScoredLists truth = space_->SearchFrom(probes, {}, kBridgeDepth);
    std::vector<double> strengths = {-1};
    strengths.insert(strengths.end(), std::begin(kRidgeStrengths), std::end(kRidgeStrengths));
    double best = -1;
    for (size_t i = 0; i < strengths.size(); ++i) {
      BridgeMap map = Fit(fitted_, strengths[i]);
      const auto found = space_->SearchMapped(map, probes, {}, kBridgeDepth);
      const double retention = Mean(Overlap(found.documents, truth.documents));
      const std::string name = strengths[i] < 0 ? map.kind : map.kind + " " + Text(strengths[i]);
      report_.candidates.push_back({name, retention});
      if (retention > best) {
        best = retention;
        map_ = std::move(map);
        strength_ = strengths[i];
        report_.chosen = name;
      }
      progress_->Fraction(static_cast<double>(i + 1) / static_cast<double>(strengths.size()));
    }
  }

  // On queries where there are enough: their scores are lower than those among documents.
  Result<> Calibrate() {
    std::vector<int32_t> judged;
    for (const JudgedQuery& query : judged_) judged.push_back(query.query);
    std::vector<int32_t> queries = judged;
    if (queries.size() > kProbesMax) queries.resize(kProbesMax);
    const bool on_queries = queries.size() >= kCalibrationQueriesMin;
    const Probes probes = on_queries ? Probes{false, queries} : Probes{true, validation_};
    ALMAGEST_TRY(auto fitted, FitCalibrations(*space_, map_, probes));
    // The first is right about which side hits come from; the second trusts the new model's scores
    // more, which judgements only can tell to be good or bad.
    const size_t tried = judged_.size() >= kBridgeQueriesMin ? fitted.curves.size() : 1;
    double best = -1;
    for (size_t i = 0; i < tried; ++i) {
      auto& [name, curve] = fitted.curves[i];
      const MixedSearch search(*space_, map_, curve, folder_.document_count, folder_.seed);
      double quality = 0;
      for (const double share : {0.1, 0.25, 0.5, 0.75}) {
        if (tried > 1) quality += Mean(NdcgAt10(search.Run({false, judged}, share), judged_));
      }
      if (quality <= best) continue;
      best = quality;
      report_.calibration = name;
      curve_ = std::move(curve);
    }
    report_.calibrated_on = on_queries ? "queries" : "documents";
    report_.score_distance = fitted.raw_distance;
    return {};
  }

  void Measure() {
    const Probes probes{true, held_out_};
    const ScoredLists truth = space_->SearchFrom(probes, {}, kBridgeDepth);
    const ScoredLists old = space_->SearchTo(probes, {}, kBridgeDepth);
    const MixedSearch search(*space_, map_, *curve_, folder_.document_count, folder_.seed);
    std::vector<double> shares(std::begin(kShares), std::end(kShares));
    shares.push_back(folder_.share);
    for (const double share : shares) {
      const auto found = search.Run(probes, share);
      BridgeMixture mixture;
      mixture.share = share;
      mixture.retention = BootstrapMean(Overlap(found, truth.documents));
      report_.mixtures.push_back(mixture);
      if (share == 0) {
        report_.agreement_with_old = BootstrapMean(Overlap(found, old.documents));
      }
    }
    report_.present = report_.mixtures.size() - 1;
    report_.old_retention = BootstrapMean(Overlap(old.documents, truth.documents));
  }

  void Judge() {
    std::vector<int32_t> rows;
    std::vector<JudgedQuery> both;
    std::vector<size_t> places;  // Of `both` in judged_.
    std::vector<int32_t> both_rows;
    for (size_t i = 0; i < judged_.size(); ++i) {
      rows.push_back(judged_[i].query);
      if (!folder_.has_to[static_cast<size_t>(judged_[i].query)]) continue;
      both.push_back(judged_[i]);
      both_rows.push_back(judged_[i].query);
      places.push_back(i);
    }
    report_.judged = judged_.size();
    report_.judged_with_both = both.size();
    if (judged_.empty()) return;
    const auto pick = [&](const std::vector<double>& values) {
      std::vector<double> picked;
      for (const size_t place : places) picked.push_back(values[place]);
      return picked;
    };
    std::vector<double> old;
    if (!both.empty()) {
      old = NdcgAt10(space_->SearchTo({false, both_rows}, {}, kBridgeDepth).documents, both);
      report_.ndcg_old = BootstrapMean(old);
    }
    const MixedSearch search(*space_, map_, *curve_, folder_.document_count, folder_.seed);
    for (BridgeMixture& mixture : report_.mixtures) {
      const auto ndcg = NdcgAt10(search.Run({false, rows}, mixture.share), judged_);
      mixture.ndcg_at_10 = BootstrapMean(ndcg);
      if (both.empty()) continue;
      std::vector<double> gain = pick(ndcg);
      if (mixture.share == 0) report_.ndcg_bridge = BootstrapMean(gain);
      if (mixture.share == 1) report_.ndcg_new = BootstrapMean(gain);
      for (size_t i = 0; i < gain.size(); ++i) gain[i] -= old[i];
      mixture.gain_over_old = BootstrapMean(gain);
    }
  }

  void Decide() {
    const Interval& retention = report_.mixtures.front().retention;
    BridgeReport::Condition maps;
    maps.name = "retention";
    maps.value = retention.low;
    maps.limit = kBridgeRetentionMin;
    maps.passed = retention.low >= kBridgeRetentionMin;
    maps.explanation =
        "Of the new model's ten nearest documents a search through the bridge finds " +
        Text(retention.mean) + " (" + Text(retention.low) + " to " + Text(retention.high) +
        "), the old model's own search " + Text(report_.old_retention.mean) +
        "; the lower bound must be at least " + Text(kBridgeRetentionMin) + ".";
    report_.conditions.push_back(maps);
    const BridgeMixture& present = report_.mixtures[report_.present];
    const bool is_judged = report_.judged_with_both >= kBridgeQueriesMin;
    if (is_judged) {
      BridgeReport::Condition better;
      better.name = "better_than_old";
      better.value = present.gain_over_old.low;
      better.passed = present.gain_over_old.low > 0;
      better.explanation =
          "With " + Text(100 * present.share) + " % of the points re-encoded, nDCG@10 of " +
          std::to_string(report_.judged_with_both) + " judged queries is that of the old model " +
          (present.gain_over_old.mean < 0 ? "minus " : "plus ") +
          Text(std::abs(present.gain_over_old.mean)) + " (" + Text(present.gain_over_old.low) +
          " to " + Text(present.gain_over_old.high) +
          "); the lower bound must be above 0. Bridge " + Text(report_.ndcg_bridge.mean) +
          ", old model " + Text(report_.ndcg_old.mean) + ", new model " +
          Text(report_.ndcg_new.mean) + ".";
      report_.conditions.push_back(better);
    }
    const bool failed =
        std::ranges::any_of(report_.conditions, [](const auto& c) { return !c.passed; });
    report_.verdict = failed      ? BridgeVerdict::kRefuse
                      : is_judged ? BridgeVerdict::kAccept
                                  : BridgeVerdict::kUnknown;
    Explain(is_judged);
  }

  void Explain(bool is_judged) {
    for (const auto& condition : report_.conditions) {
      if (report_.verdict == BridgeVerdict::kRefuse && condition.passed) continue;
      report_.reason += (report_.reason.empty() ? "" : " ") + condition.explanation;
    }
    if (!is_judged) {
      report_.reason += " Whether this is better than searching with the old model is not known: " +
                        std::to_string(report_.judged_with_both) +
                        " judged queries have vectors of both models, at least " +
                        std::to_string(kBridgeQueriesMin) + " are needed to tell.";
      return;
    }
    if (report_.verdict != BridgeVerdict::kRefuse) return;
    for (size_t i = 0; i < std::size(kShares); ++i) {
      if (report_.mixtures[i].gain_over_old.low <= 0) continue;
      report_.reason += " By the same queries it would be better from " +
                        Text(100 * report_.mixtures[i].share) + " % on.";
      return;
    }
  }

  const BridgeFolder& folder_;
  Progress* progress_;
  const std::vector<JudgedQuery> judged_;
  std::unique_ptr<BridgeSpace> space_;
  std::vector<int32_t> fitted_, validation_, held_out_;
  BridgeMap map_;
  double strength_ = -1;  // Of the chosen ridge; below 0: Procrustes.
  std::optional<MonotoneCurve> curve_;
  BridgeReport report_;
};

}  // namespace

Result<BridgeReport> RunBridgeJob(const std::filesystem::path& path, const JobOverrides& overrides,
                                  Progress* progress) {
  return RunInFolder(path, "bridge.safetensors", progress, [&]() -> Result<BridgeReport> {
    ALMAGEST_TRY(BridgeFolder folder, OpenBridgeFolder(path));
    folder.threads = overrides.threads.value_or(folder.threads);
    folder.device = overrides.device.value_or(folder.device);
    ALMAGEST_TRY(BridgeReport report, BridgeJob(folder, progress).Run());
    ALMAGEST_TRY_VOID(WriteBridgeReport(path / "report.json", report, progress));
    return report;
  });
}

}  // namespace almagest::training
