// The gate: whether a trained version may be deployed (TRAINING notes 5.4). No LibTorch here.
//
// Every condition states its value, its limit and, in one sentence with the numbers, why it passed
// or failed. All comparisons are paired by query and resampled over query groups.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/base/bootstrap.h"
#include "training/job_config.h"

namespace almagest::training {

// nDCG@10 of each held-out query with one live document version k.
struct LiveVersionQuality {
  int64_t version = 0;
  std::vector<double> own;     // C[k][k]: queries and documents by version k.
  std::vector<double> across;  // C[new][k]: queries by the new version, documents still by k.
};

// A document that the new version shows to held-out queries that neither the base vectors nor
// whitening showed it to (trust_checks.h).
struct NewlyShown {
  int32_t document = -1;
  size_t queries = 0;
  size_t of_queries = 0;
};

// nDCG@10 of held-out queries when the heaviest user's feedback is left out (trust_checks.h); all
// vectors empty if nothing is left without that user.
struct WithoutTopUser {
  double share = 0;  // Of the judgement weight.
  std::vector<double> trained;
  std::vector<double> active;
  std::vector<int32_t> group;
};

struct TrustedCounts {
  size_t given = 0;             // Queries that came with the job.
  size_t judgements_gone = 0;   // Whose document was deleted since.
  size_t also_in_feedback = 0;  // Of the queries measured, those that users judged, too.
};

// nDCG@10 of the judgements that the admin trusts (trusted_queries.h), in parallel; a query that
// lost all its relevant documents is not among them.
struct TrustedValues {
  std::vector<double> trained;
  std::vector<double> active;
  std::vector<int32_t> group;
  TrustedCounts counts = {};
};

// What drift_guard.h measured, as far as the gate judges it.
struct DriftValues {
  bool guarded = false;  // By queries; else by documents as queries.
  double overlap_at_10 = 1;
  double self_retrieval = 1;
};

// The per-query vectors are parallel to `group`.
struct GateInput {
  int64_t gate_number = 1;     // Of the gates on (nearly) the same feedback; from 1.
  std::vector<int32_t> group;  // Of each held-out query; near-identical queries share one.
  std::vector<double> weight;  // What it counts for (judgements.h); empty: all the same.
  std::vector<double> trained;
  std::vector<double> active;
  std::vector<LiveVersionQuality> live;
  bool geometry_finite = true;
  double effective_rank = 0;       // Of the documents mapped by the new version.
  double base_effective_rank = 0;  // Of the base documents.
  double user_share = 0;           // LargestUserShare (judgements.h).
  NewlyShown newly_shown;
  DriftValues drift;
  std::optional<WithoutTopUser> without_top_user;
  std::optional<TrustedValues> trusted;  // Absent where none were given.
};

struct GateCondition {
  std::string name;
  double value = 0;
  double limit = 0;
  bool passed = false;
  std::string explanation;
};

enum class Verdict { kPromote, kReject, kInsufficientData };
const char* VerdictName(Verdict verdict);  // promote, reject, insufficient_data

struct GateDecision {
  Verdict verdict = Verdict::kInsufficientData;
  std::vector<GateCondition> conditions;
  Interval gain;  // nDCG@10, trained minus active.
};

// Mean difference with its central interval, resampled over groups: queries of a group are averaged
// first. `weight`: what each query counts for, from 0, or empty for all the same. Deterministic.
// The narrower the tails, the more resamples (2,000 to 100,000).
Interval PairedGain(std::span<const double> after, std::span<const double> before,
                    std::span<const int32_t> group, double confidence = 0.95,
                    std::span<const double> weight = {});

// The part of `alpha` that gate number n may spend: 6 / (pi^2 n^2) of it, so that all gates
// together, however many, spend no more than alpha. Who tries again and again on one set of
// held-out queries would else be promoted by luck in the end.
double GateLevel(double alpha, int64_t gate_number);

// The condition `trusted_judgements`: the lower 95 % bound of the change on them must be above
// -options.trusted_margin. A bound, so few of them refuse what they cannot confirm; and so does a
// set of which nothing is left to measure.
GateCondition TrustedCondition(const TrustedValues& trusted, const GateOptions& options);

// kReject if trusted judgements say so, whatever the rest says; else kInsufficientData if there are
// too few held-out queries; else kPromote if every condition passed; else kReject.
GateDecision DecideGate(const GateInput& input, const GateOptions& options);

}  // namespace almagest::training
