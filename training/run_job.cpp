#include "training/run_job.h"

#include <algorithm>

#include "storage/base/check.h"
#include "training/evaluation.h"
#include "training/fusion_step.h"
#include "training/job_folder.h"
#include "training/job_frame.h"
#include "training/query_cells.h"
#include "training/recipe_training.h"
#include "training/trust_checks.h"

namespace almagest::training {
namespace {

// Fewer would choose by chance; more are needed for training (job-folder.md).
constexpr double kValidationQueries = 100;
// A last training starts only before this share of the time budget is spent.
constexpr double kRefitTimeShare = 0.75;
// Of the first ten results, shared between the adapter judged and the one trained on everything.
constexpr double kOverlapMin = 0.5;

// Why this data cannot be learned from, or empty.
std::string TooLittle(const JobFolder& job, size_t judged) {
  if (job.document_count < 2) {
    return "The number of documents is " + std::to_string(job.document_count) +
           ", at least 2 are needed.";
  }
  if (job.config.objective == Objective::kWhitening) {
    if (job.document_count >= 2 * job.config.dimension) return "";
    return "Whitening needs at least twice as many documents as dimensions: there are " +
           std::to_string(job.document_count) + " documents of " +
           std::to_string(job.config.dimension) + " dimensions.";
  }
  if (judged >= static_cast<size_t>(job.config.options.queries_min)) return "";
  return "Too little feedback: " + std::to_string(judged) +
         " distinct queries have a relevant document, at least " +
         std::to_string(job.config.options.queries_min) + " are needed.";
}

double ValidationFraction(const TrainingOptions& options, size_t queries) {
  if (options.validation_fraction > 0) return options.validation_fraction;
  return std::clamp(kValidationQueries / static_cast<double>(queries), 0.1, 0.3);
}

std::vector<JudgedQuery> Pick(const std::vector<JudgedQuery>& judged,
                              const std::vector<size_t>& rows) {
  std::vector<JudgedQuery> picked;
  for (const size_t row : rows) picked.push_back(judged[row]);
  return picked;
}

std::string Summary(const GateDecision& gate) {
  if (gate.verdict == Verdict::kPromote) return "Every condition of the gate holds.";
  std::string text;
  for (const GateCondition& condition : gate.conditions) {
    if (condition.passed) continue;
    if (gate.verdict == Verdict::kInsufficientData && condition.name != "held_out_queries")
      continue;
    text += (text.empty() ? "" : " ") + condition.explanation;
  }
  return text;
}

class Job {
 public:
  Job(const JobFolder& folder, Progress* progress)
      : folder_(folder), config_(folder.config), progress_(progress) {}

  Result<JobReport> Run() {
    const std::vector<JudgedQuery> judged = GroupJudgements(folder_.judgements);
    if (const std::string reason = TooLittle(folder_, judged.size()); !reason.empty()) {
      return Skipped(reason);
    }
    ALMAGEST_TRY(space_, VectorSpace::Create(folder_.documents, folder_.queries,
                                             {config_.dimension, config_.distance, config_.device,
                                              config_.threads}));
    report_.device = space_->device_name();
    progress_->Phase("splitting");
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : judged) rows.push_back(query.query);
    const QuerySplit split = SplitQueries(
        judged.size(),
        space_->SimilarQueries(rows, config_.options.group_cosine, progress_->MakeTick()),
        ValidationFraction(config_.options, judged.size()), config_.options.held_out_fraction,
        config_.seed);
    report_.train_queries = split.train.size();
    report_.validation_queries = split.validation.size();
    report_.held_out_queries = split.held_out.size();
    if (config_.objective != Objective::kWhitening &&
        (split.train.empty() || split.validation.empty())) {
      return Skipped("All " + std::to_string(judged.size()) +
                     " judged queries fall into too few groups of near-identical queries to be "
                     "split into a train and a validation set.");
    }
    ALMAGEST_TRY(report_.selection,
                 TrainAndSelect(*space_, judged, split, folder_.neighbours, config_, progress_));
    ALMAGEST_TRY_VOID(Measure(judged, split));
    ALMAGEST_TRY(report_.fusion,
                 LearnFusion(*space_, folder_, judged, split, *report_.selection, progress_));
    if (config_.options.refit && !split.held_out.empty() &&
        report_.gate.verdict != Verdict::kReject &&
        progress_->ElapsedSeconds() < kRefitTimeShare * config_.options.time_budget_seconds) {
      ALMAGEST_TRY_VOID(TrainOnEverything(judged, split));
    }
    // Of the adapter that is written.
    std::vector<int32_t> held_out;
    for (const size_t row : split.held_out) held_out.push_back(judged[row].query);
    report_.scores =
        MeasureScores(*space_, folder_.guard, held_out, folder_.versions.at(config_.active_version),
                      report_.selection->adapter, progress_->MakeTick());
    report_.kind = report_.selection->adapter.kind;
    report_.steps = progress_->steps();
    report_.seconds = progress_->Seconds();
    report_.reason = Summary(report_.gate);
    return std::move(report_);
  }

 private:
  JobReport Skipped(const std::string& reason) {
    report_.status = "skipped";
    report_.reason = reason;
    report_.seconds = progress_->Seconds();
    return std::move(report_);
  }

  Result<> Measure(const std::vector<JudgedQuery>& judged, const QuerySplit& split) {
    progress_->Phase("evaluating");
    const std::vector<JudgedQuery> held_out = Pick(judged, split.held_out);
    const LinearAdapter identity = LinearAdapter::Identity(config_.dimension);
    const LinearAdapter& active = folder_.versions.at(config_.active_version);
    const LinearAdapter& trained = report_.selection->adapter;
    const auto measure = [&](const char* name, const LinearAdapter& adapter) {
      report_.methods.push_back(
          {name, Evaluate(*space_, adapter, adapter, held_out, 100, true, progress_->MakeTick())});
      return Column(report_.methods.back().per_query, &QueryMetrics::ndcg_at_10);
    };
    GateInput gate;
    gate.gate_number = config_.gate_number;
    const auto base = measure("identity", identity);
    if (config_.active_version == 0) {
      report_.methods.push_back({"active", report_.methods.back().per_query});
      gate.active = base;
    } else {
      gate.active = measure("active", active);
    }
    const auto whitened = measure("whitened", report_.selection->whitened);
    gate.trained = measure("trained", trained);
    for (const size_t row : split.held_out) gate.group.push_back(split.group[row]);
    for (const JudgedQuery& query : held_out) gate.weight.push_back(query.Weight());
    report_.gain_over_whitened = PairedGain(gate.trained, whitened, gate.group);
    report_.cells = MeasureCells(*space_, judged, split, gate.active, gate.trained, active, trained,
                                 progress_->MakeTick());

    report_.changes = FindQueryChanges(held_out, gate.active, gate.trained);
    report_.query_events.assign(folder_.query_events.begin(), folder_.query_events.end());

    progress_->Phase("compatibility");
    std::vector<const LinearAdapter*> versions;
    for (const auto& [id, adapter] : folder_.versions) {
      versions.push_back(&adapter);
      report_.versions.push_back(std::to_string(id));
    }
    versions.push_back(&trained);
    report_.versions.emplace_back("new");
    report_.compatibility =
        MeasureCompatibility(*space_, versions, held_out, progress_->MakeTick());
    const size_t last = versions.size() - 1;
    size_t at = 0;
    for (const auto& [id, adapter] : folder_.versions) {
      gate.live.push_back(
          {id, report_.compatibility.At(at, at), report_.compatibility.At(last, at)});
      ++at;
    }
    progress_->Phase("geometry");
    std::vector<std::pair<int32_t, int32_t>> pairs;
    for (const JudgedQuery& query : held_out) {
      for (const JudgedDocument& entry : query.documents) {
        if (entry.grade > 0) pairs.emplace_back(query.query, entry.document);
      }
    }
    report_.geometry = MeasureGeometry(*space_, trained, pairs);
    gate.geometry_finite = report_.geometry->finite;
    gate.effective_rank = report_.geometry->effective_rank;
    gate.base_effective_rank = report_.geometry->base_effective_rank;
    gate.user_share = LargestUserShare(folder_.judgements);
    progress_->Phase("trust");
    gate.newly_shown = FindNewlyShown(*space_, trained, identity, report_.selection->whitened,
                                      held_out, progress_->MakeTick());
    report_.drift = MeasureDrift(*space_, folder_.guard, trained, active,
                                 report_.selection->whitened, progress_->MakeTick());
    gate.drift = {report_.drift->queries > 0, report_.drift->overlap_at_10,
                  report_.drift->self_retrieval};
    ALMAGEST_TRY(gate.without_top_user,
                 TrainWithoutTopUser(*space_, folder_.judgements, judged, split, *report_.selection,
                                     active, config_, progress_));
    MeasureRelevance(judged, held_out, gate.group);
    ALMAGEST_TRY_VOID(MeasureTrusted(trained, active));
    gate.trusted = report_.trusted;
    report_.gate = DecideGate(gate, config_.gate);
    return {};
  }

  // By the adapter that has not seen these queries: what was trained on them scores them higher.
  void MeasureRelevance(const std::vector<JudgedQuery>& judged,
                        const std::vector<JudgedQuery>& held_out,
                        const std::vector<int32_t>& group) {
    if (held_out.size() < kScaleQueriesMin) return;
    float grade_max = 0;
    for (const JudgedQuery& query : judged) {
      for (const JudgedDocument& entry : query.documents) {
        grade_max = std::max(grade_max, entry.grade);
      }
    }
    std::vector<int32_t> rows;
    for (const JudgedQuery& query : held_out) rows.push_back(query.query);
    const ScoredResults found =
        FindScored(*space_, report_.selection->adapter, rows, progress_->MakeTick());
    report_.relevance = FitRelevance(found.documents, found.scores, held_out, group, grade_max);
  }

  Result<> MeasureTrusted(const LinearAdapter& trained, const LinearAdapter& active) {
    if (folder_.trusted.empty()) return {};
    ALMAGEST_TRY(trusted_, TrustedQueries::Create(folder_.trusted, folder_.documents,
                                                  folder_.queries, config_));
    const auto ndcg = [&](const LinearAdapter& version) {
      return trusted_->size() == 0 ? std::vector<double>()
                                   : trusted_->Measure(version, progress_->MakeTick());
    };
    report_.trusted = trusted_->Compare(ndcg(active), ndcg(trained));
    return {};
  }

  // The gate has judged a recipe on queries that it did not see; what is deployed is the same
  // recipe trained with those queries, too. They can no longer judge it, so this is a change that
  // must stay small: if the two disagree on the results of the held-out queries, or the geometry is
  // worse than the gate allows, or trusted judgements fall, the adapter that was judged stays.
  Result<> TrainOnEverything(const std::vector<JudgedQuery>& judged, const QuerySplit& split) {
    Selection& selection = *report_.selection;
    if (!selection.recipe.Learns()) return {};
    progress_->Phase("training");
    ALMAGEST_TRY(LinearAdapter adapter, TrainRecipe(*space_, judged, selection.recipe, config_,
                                                    RecipeRuns(judged.size()), progress_));
    progress_->Phase("evaluating");
    Deployment deployment;
    deployment.overlap_at_10 = MeanOverlap(*space_, adapter, selection.adapter,
                                           Pick(judged, split.held_out), progress_->MakeTick());
    const Geometry geometry = MeasureGeometry(*space_, adapter, {});
    deployment.trained_on_all = deployment.overlap_at_10 >= kOverlapMin && geometry.finite &&
                                geometry.effective_rank >= config_.gate.effective_rank_ratio_min *
                                                               geometry.base_effective_rank;
    if (report_.trusted) {
      const TrustedValues values = trusted_->Compare(
          report_.trusted->active, trusted_->Measure(adapter, progress_->MakeTick()));
      deployment.trusted_gain = PairedGain(values.trained, values.active, values.group);
      deployment.trained_on_all &= TrustedCondition(values, config_.gate).passed;
    }
    if (deployment.trained_on_all) selection.adapter = std::move(adapter);
    report_.deployment = deployment;
    return {};
  }

  const JobFolder& folder_;
  const JobConfig& config_;
  Progress* progress_;
  std::unique_ptr<VectorSpace> space_;
  std::unique_ptr<TrustedQueries> trusted_;  // Null where none were given.
  JobReport report_;
};

}  // namespace

Result<JobReport> RunJob(const std::filesystem::path& path, const JobOverrides& overrides,
                         Progress* progress) {
  constexpr char kResult[] = "adapter.safetensors";
  return RunInFolder(path, kResult, progress, [&]() -> Result<JobReport> {
    ALMAGEST_TRY(JobFolder folder, OpenJobFolder(path));
    folder.config.threads = overrides.threads.value_or(folder.config.threads);
    folder.config.device = overrides.device.value_or(folder.config.device);
    ALMAGEST_TRY(JobReport report, Job(folder, progress).Run());
    if (report.selection) {
      ALMAGEST_TRY_VOID(
          WriteAdapter(path / kResult, report.selection->adapter, folder.config.seed));
    }
    ALMAGEST_TRY_VOID(WriteReport(path / "report.json", report));
    return report;
  });
}

}  // namespace almagest::training
