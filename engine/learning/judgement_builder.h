// Turns feedback events into what the trainer learns from: (query, document, grade, weight, user).
//
//   click        grade 1; weight min(1 / p, 10) with the examination probability p = 1 / rank of
//                its rank (position bias: a click far down says more), scaled so that clicks of
//                known rank weigh 1 on average ("self-normalised"); unknown rank: 1.
//   preference   the preferred point grade 1, the other grade 0.
//   negative     grade 0.            grade        as given, 0..10.
// All times the event's weight (and the click's). Within one event a later line of this list wins
// for the same point. Of several events of one user on the same query and point the latest counts;
// events without a user count each for themselves. Unclicked impressions say nothing.
//
// Once there are 20 users, what one of them says for one document counts for three queries at most,
// and none may bear more than 1 % of the whole weight (or twice an equal
// share, where that is more): what exceeds it is scaled down, so that a flood from one account
// cannot move everybody's results. Source: TRAINING notes 3 and 5.5; self-normalised estimators
// are Swaminathan & Joachims 2015.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/learning/feedback.h"

namespace almagest {

// Columns of judgements.safetensors, of the same length, sorted by query and document.
struct Judgements {
  std::vector<int32_t> query, document;
  std::vector<float> grade, weight;
  std::vector<int32_t> user;  // -1: unknown.
};

struct JudgementCounts {
  uint64_t events = 0;          // Given to Add.
  uint64_t events_used = 0;     // Left at least one judgement.
  uint64_t points_missing = 0;  // Mentions of points that exist no more.
  uint64_t judgements = 0;
  uint64_t relevant = 0;  // Of those: grade above 0.
  uint64_t users = 0;
  uint64_t users_capped = 0;      // Whose weight was cut by either cap.
  double largest_user_share = 0;  // Of the whole weight, before capping.
};

inline constexpr double kPropensityWeightMax = 10;
inline constexpr size_t kUserCapUsersMin = 20;
inline constexpr double kUserShareMax = 0.01;
inline constexpr double kUserDocumentQueries = 3;

// One builder per export; not thread-safe. Memory: about 100 bytes per judgement and query.
class JudgementBuilder {
 public:
  // Tells the row of a point in the exported documents; nullopt when it has none.
  using RowOf = std::function<std::optional<int32_t>(const PointId&)>;
  explicit JudgementBuilder(RowOf row_of) : row_of_(std::move(row_of)) {}

  // Events in ascending id order. True when the event's query is new and used: its vector is the
  // next row of the exported queries. Queries are the same when all their bits are.
  bool Add(const FeedbackEvent& event);

  size_t query_count() const { return queries_.size(); }
  // Ends the building: weights are normalised and capped.
  Judgements Finish(JudgementCounts* counts);

 private:
  using QueryHash = std::array<uint64_t, 2>;  // XXH3, 128 bits: no collisions in practice.
  struct QueryHashHash {
    size_t operator()(const QueryHash& hash) const { return static_cast<size_t>(hash[0]); }
  };
  struct Judgement {
    int32_t query = 0;
    int32_t document = 0;
    int32_t user = -1;
    float grade = 0;
    double weight = 0;
    double propensity_weight = 0;  // min(1 / p, 10) of a click whose rank is known, else 0.
    int64_t time_ms = 0;
  };
  // (user, query, document) of a known user.
  struct PairKey {
    int32_t user, query, document;
    bool operator==(const PairKey&) const = default;
  };
  struct PairHash {
    size_t operator()(const PairKey& key) const;
  };
  std::vector<Judgement> Read(const FeedbackEvent& event);
  void NormalisePropensities();
  // The weight of each user; that of events without one apart.
  std::vector<double> UserWeights(double* unattributed) const;
  void MeasureShares();
  void CapDocuments();
  void CapUsers();

  RowOf row_of_;
  JudgementCounts counts_;
  std::unordered_map<QueryHash, int32_t, QueryHashHash> queries_;
  std::unordered_map<std::string, int32_t> users_;
  std::unordered_map<PairKey, size_t, PairHash> latest_;  // Index into judgements_.
  std::vector<Judgement> judgements_;
};

// The largest weight c that a user may keep so that c <= share * (unattributed + sum of
// min(weight, c)); infinity when no user exceeds it. Exposed for tests. O(U log U).
double UserWeightCap(std::vector<double> user_weights, double unattributed, double share);

}  // namespace almagest
