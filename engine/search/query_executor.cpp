#include "engine/search/query_executor.h"

#include <algorithm>

#include "engine/collection/field_table.h"
#include "engine/search/dense_search.h"
#include "engine/search/formula_scoring.h"
#include "engine/search/fusion.h"
#include "engine/search/hydrate.h"
#include "engine/search/learned_fusion.h"
#include "engine/search/named_version.h"
#include "engine/search/ordering.h"
#include "engine/search/plain_query.h"
#include "engine/search/query_trace.h"
#include "engine/search/vector_input.h"
#include "engine/search/vector_query.h"

namespace almagest {
namespace {

// What a node of the tree found.
struct NodeResult {
  std::vector<RankedSlot> ranked;      // Best first, as similarities.
  Distance distance = Distance::kDot;  // How they read as scores.
  std::vector<double> order_values;    // One per entry where the order is by a payload value.
};

// One query's context while its tree is walked. All nodes see the same view.
class Executor {
 public:
  Executor(const Collection& collection, const QueryRequest& request)
      : collection_(collection), request_(request), view_(collection.view()) {}

  Result<std::vector<Hit>> Run();
  // Whether points may have moved out of sight while it ran (collection_view.h).
  bool view_is_behind() const { return collection_.newest_growing() != view_->newest_growing; }

 private:
  using Filters = std::vector<const Filter*>;

  // The best `limit` of a node, which the request has at `path`.
  Result<NodeResult> RunNode(const QueryNode& node, const Filters& inherited, uint64_t limit,
                             const std::string& path);
  // What ranks the results of the prefetches from their scores alone.
  Result<NodeResult> RunFusion(const QueryNode& node, FusionQuery fusion,
                               const std::vector<NodeResult>& prefetched, LegTrace* trace);
  Result<NodeResult> RunFormula(const QueryNode& node, const FormulaQuery& formula,
                                const std::vector<NodeResult>& prefetched);
  // What ranks points of the collection, or those of `allowed`. `trace` may be null.
  Result<NodeResult> RunRanking(const QueryNode& node, std::optional<SlotSet> allowed,
                                uint64_t limit, LegTrace* trace);
  void Trace(const QueryNode& node, const NodeResult& result, LegTrace leg) const;
  void TraceHits(std::span<const SlotHit> hits) const;
  Result<std::optional<SlotSet>> Allowed(const Filters& filters) const;
  void OrderEqualsById(const NodeResult& found, std::vector<SlotHit>& hits) const;

  const Collection& collection_;
  const QueryRequest& request_;
  std::shared_ptr<const CollectionView> view_;
  uint64_t offset_ = 0;
  SlotSet excluded_;
};

Result<> CheckNode(const QueryNode& node, size_t depth) {
  if (depth > kQueryDepthMax) {
    return Fail(ErrorCode::kBadRequest,
                "prefetches are nested deeper than " + std::to_string(kQueryDepthMax) + " levels");
  }
  const bool is_fusion = node.query && std::holds_alternative<FusionQuery>(*node.query);
  const bool is_formula = node.query && std::holds_alternative<FormulaQuery>(*node.query);
  // The texts are Qdrant's, which clients compare.
  if (!node.prefetch.empty() && !node.query) {
    return Fail(ErrorCode::kBadRequest,
                "A query is needed to merge the prefetches. Can't have prefetches without defining "
                "a query.");
  }
  if (node.score_threshold && !node.query) {
    return Fail(ErrorCode::kBadRequest,
                "A query is needed to use the score_threshold. Can't have score_threshold without "
                "defining a query.");
  }
  if (node.score_threshold && std::holds_alternative<OrderByQuery>(*node.query)) {
    return Fail(ErrorCode::kBadRequest, "Can't use score_threshold with an order_by query.");
  }
  if (is_fusion && !node.using_vector.empty()) {
    return Fail(ErrorCode::kBadRequest,
                "Fusion queries cannot be combined with the 'using' field.");
  }
  if ((is_fusion || is_formula) && node.prefetch.empty()) {
    return Fail(ErrorCode::kBadRequest, is_fusion ? "cannot apply Fusion without prefetches"
                                                  : "cannot apply Formula without prefetches");
  }
  for (const QueryNode& child : node.prefetch) ALMAGEST_TRY_VOID(CheckNode(child, depth + 1));
  return {};
}

Result<std::optional<SlotSet>> Executor::Allowed(const Filters& filters) const {
  if (filters.empty()) return std::optional<SlotSet>();
  if (filters.size() == 1) {
    ALMAGEST_TRY(SlotSet slots, collection_.MatchingSlots(*filters[0], request_.deadline));
    return std::optional<SlotSet>(std::move(slots));
  }
  Filter all;
  for (const Filter* filter : filters) {
    all.must.push_back(FilterCondition{std::make_shared<const Filter>(*filter)});
  }
  ALMAGEST_TRY(SlotSet slots, collection_.MatchingSlots(all, request_.deadline));
  return std::optional<SlotSet>(std::move(slots));
}

// Scores of fusions and formulas pass a threshold that they equal.
void DropBelow(const std::optional<double>& threshold, std::vector<RankedSlot>& ranked) {
  if (!threshold) return;
  std::erase_if(ranked, [&](const RankedSlot& entry) {
    return static_cast<double>(entry.score) < *threshold;
  });
}

Result<NodeResult> Executor::RunFusion(const QueryNode& node, FusionQuery fusion,
                                       const std::vector<NodeResult>& prefetched, LegTrace* trace) {
  if (fusion.kind == FusionQuery::Kind::kLearned) {
    ALMAGEST_TRY(LearnedFusionPlan plan, PlanLearnedFusion(collection_, *view_, node, request_));
    fusion = std::move(plan.fusion);
    trace->reason = std::move(plan.reason);
  }
  if (!fusion.weights.empty() && fusion.weights.size() != prefetched.size()) {
    return Fail(ErrorCode::kInvalidArgument,
                "Number of weights in RRF should match number of pre-fetches: got " +
                    std::to_string(fusion.weights.size()) + ", expected " +
                    std::to_string(prefetched.size()));
  }
  std::vector<std::vector<RankedSlot>> lists;
  for (const NodeResult& result : prefetched) lists.push_back(result.ranked);
  NodeResult fused;
  fused.ranked = fusion.kind == FusionQuery::Kind::kRrf
                     ? FuseReciprocalRanks(lists, fusion.rrf_k, fusion.weights)
                     : FuseByDistribution(lists);
  DropBelow(node.score_threshold, fused.ranked);
  return fused;
}

Result<NodeResult> Executor::RunFormula(const QueryNode& node, const FormulaQuery& formula,
                                        const std::vector<NodeResult>& prefetched) {
  std::vector<std::vector<RankedSlot>> lists;
  for (const NodeResult& result : prefetched) {
    std::vector<RankedSlot>& list = lists.emplace_back(result.ranked);
    for (RankedSlot& entry : list) entry.score = RestScore(result.distance, entry.score);
  }
  NodeResult scored;
  ALMAGEST_TRY(scored.ranked, ScoreByFormula(collection_, formula, lists, request_.deadline));
  DropBelow(node.score_threshold, scored.ranked);
  return scored;
}

Result<NodeResult> Executor::RunRanking(const QueryNode& node, std::optional<SlotSet> allowed,
                                        uint64_t limit, LegTrace* trace) {
  NodeResult result;
  const PointChoice choice{allowed ? &*allowed : nullptr, &excluded_};
  if (!node.query) {
    ALMAGEST_TRY(result.ranked, PointsById(collection_, choice, limit, request_.deadline));
  } else if (const auto* order = std::get_if<OrderByQuery>(&*node.query)) {
    ALMAGEST_TRY(auto points, PointsByValue(collection_, *order, choice, limit, request_.deadline));
    result.ranked = std::move(points.ranked);
    result.order_values = std::move(points.values);
  } else if (std::holds_alternative<SampleQuery>(*node.query)) {
    ALMAGEST_TRY(result.ranked, RandomPoints(collection_, choice, limit, request_.deadline));
  } else {
    const VectorQueryContext context{collection_,
                                     *view_,
                                     request_,
                                     node,
                                     std::move(allowed),
                                     excluded_,
                                     limit,
                                     /*exact=*/!node.prefetch.empty(),
                                     trace};
    if (const CollectionField* field = FieldOfPlainQuery(context)) {
      result.distance = field->distance;
      ALMAGEST_TRY(result.ranked, RunPlainQuery(context, *field));
      return result;
    }
    ALMAGEST_TRY(const Collection::Field field, collection_.FindField(node.using_vector));
    result.distance = ScoreDistance(*node.query, field);
    ALMAGEST_TRY(result.ranked, RunVectorQuery(context));
  }
  return result;
}

// Of a point with several values the first, since another node ranks points.
void KeepFirstOfEach(std::vector<RankedSlot>& ranked) {
  SlotSet seen;
  std::erase_if(ranked, [&](const RankedSlot& entry) {
    const bool is_new = !seen.Contains(entry.slot);
    seen.Add(entry.slot);
    return !is_new;
  });
}

void Executor::Trace(const QueryNode& node, const NodeResult& result, LegTrace leg) const {
  constexpr const char* kKinds[] = {
      "nearest", "fusion",  "order_by",           "sample", "recommend", "discover",
      "context", "formula", "relevance_feedback", "set"};
  static_assert(std::size(kKinds) == std::variant_size_v<QueryKind>);
  leg.kind = node.query ? kKinds[node.query->index()] : "points by id";
  leg.vector_name = node.using_vector;
  for (const RankedSlot& entry : result.ranked) {
    leg.results.push_back({entry.slot, RestScore(result.distance, entry.score)});
  }
  if (node.query && IsVectorQuery(*node.query)) {
    const auto field = collection_.FindField(node.using_vector);
    const auto versions = field ? view_->versions.find(field->id) : view_->versions.end();
    if (versions != view_->versions.end()) {
      leg.version = VersionAsked(request_, node).value_or(versions->second->active());
    }
  }
  request_.trace->legs.push_back(std::move(leg));
}

void Executor::TraceHits(std::span<const SlotHit> hits) const {
  QueryTrace& trace = *request_.trace;
  trace.hits.resize(hits.size());
  std::unordered_map<Slot, std::vector<size_t>> positions;
  for (size_t i = 0; i < hits.size(); ++i) positions[hits[i].slot].push_back(i);
  for (size_t leg = 0; leg < trace.legs.size(); ++leg) {
    const auto& results = trace.legs[leg].results;
    for (size_t rank = 0; rank < results.size(); ++rank) {
      const auto found = positions.find(results[rank].slot);
      if (found == positions.end()) continue;
      for (const size_t i : found->second) {
        trace.hits[i].push_back({leg, rank, results[rank].score});
      }
    }
  }
}

Result<NodeResult> Executor::RunNode(const QueryNode& node, const Filters& inherited,
                                     uint64_t limit, const std::string& path) {
  if (request_.deadline.Expired()) {
    return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
  }
  Filters filters = inherited;
  if (node.filter && !node.filter->empty()) filters.push_back(&*node.filter);
  std::vector<NodeResult> prefetched;
  for (size_t i = 0; i < node.prefetch.size(); ++i) {
    const QueryNode& child = node.prefetch[i];
    // A page further on needs more to choose from.
    const uint64_t child_limit = std::min(child.limit, UINT64_MAX - offset_) + offset_;
    const std::string name = "prefetch[" + std::to_string(i) + "]";
    ALMAGEST_TRY(auto result,
                 RunNode(child, filters, child_limit, path.empty() ? name : path + "." + name));
    if (!result.order_values.empty()) KeepFirstOfEach(result.ranked);
    prefetched.push_back(std::move(result));
  }
  std::optional<Stopwatch> stopwatch;
  LegTrace leg;
  if (request_.trace != nullptr) {
    stopwatch.emplace();
    leg.path = path.empty() ? "query" : path;
  }
  NodeResult result;
  if (node.query && std::holds_alternative<FusionQuery>(*node.query)) {
    ALMAGEST_TRY(result, RunFusion(node, std::get<FusionQuery>(*node.query), prefetched, &leg));
  } else if (node.query && std::holds_alternative<FormulaQuery>(*node.query)) {
    ALMAGEST_TRY(result, RunFormula(node, std::get<FormulaQuery>(*node.query), prefetched));
  } else {
    std::optional<SlotSet> allowed;
    if (node.prefetch.empty()) {
      ALMAGEST_TRY(allowed, Allowed(filters));
    } else {
      allowed.emplace();
      for (const NodeResult& list : prefetched) {
        for (const RankedSlot& entry : list.ranked) allowed->Add(entry.slot);
      }
    }
    if (stopwatch) {
      leg.filter_seconds = stopwatch->seconds();
      if (allowed) leg.matches = allowed->size();
    }
    ALMAGEST_TRY(result, RunRanking(node, std::move(allowed), limit,
                                    request_.trace != nullptr ? &leg : nullptr));
  }
  if (result.ranked.size() > limit) result.ranked.resize(limit);
  if (stopwatch) {
    leg.seconds = stopwatch->seconds();
    Trace(node, result, std::move(leg));
  }
  return result;
}

// Nodes rank equal scores by slot; what users see is ordered by their own ids.
void Executor::OrderEqualsById(const NodeResult& found, std::vector<SlotHit>& hits) const {
  const QueryNode& root = request_.root;
  const bool scored = root.query && (std::holds_alternative<FusionQuery>(*root.query) ||
                                     std::holds_alternative<FormulaQuery>(*root.query) ||
                                     (IsVectorQuery(*root.query) && !OrdersByItself(*root.query)));
  if (!scored) return;
  const auto before = [&](const SlotHit& a, const SlotHit& b) {
    if (a.score != b.score) {
      return LargerIsNearer(found.distance) ? a.score > b.score : a.score < b.score;
    }
    return a.id < b.id;
  };
  // Nearly always they are in order, and sorting would move them all.
  if (!std::ranges::is_sorted(hits, before)) std::ranges::stable_sort(hits, before);
}

Result<std::vector<Hit>> Executor::Run() {
  std::optional<Stopwatch> stopwatch;
  if (request_.trace != nullptr) stopwatch.emplace();
  const QueryNode& root = request_.root;
  ALMAGEST_TRY_VOID(CheckNode(root, 0));
  ALMAGEST_TRY_VOID(CheckNamedVersions(collection_, *view_, root, ""));
  ALMAGEST_TRY(excluded_, NamedPoints(collection_, request_));
  const uint64_t points = collection_.point_count();
  // Offsets and limits up to 2^64-1 are legal; more than there are points is the same as all.
  offset_ = std::min(request_.offset, points);
  // The second page of a random order is as good as the first.
  const bool is_random = root.query && std::holds_alternative<SampleQuery>(*root.query);
  if (is_random && root.prefetch.empty()) offset_ = 0;
  ALMAGEST_TRY(auto found, RunNode(root, {}, std::min(root.limit, points) + offset_, ""));
  for (RankedSlot& entry : found.ranked) entry.score = RestScore(found.distance, entry.score);
  const double searched_seconds = stopwatch ? stopwatch->seconds() : 0;
  auto hits = IdentifySlots(collection_, found.ranked, found.order_values);
  OrderEqualsById(found, hits);
  std::span<const SlotHit> page = hits;
  page = page.subspan(std::min<uint64_t>(offset_, page.size()));
  page = page.first(std::min<uint64_t>(root.limit, page.size()));
  if (stopwatch) TraceHits(page);
  ALMAGEST_TRY(auto complete, Hydrate(collection_, page, request_.with_payload,
                                      request_.with_vector, request_.deadline));
  if (stopwatch) {
    request_.trace->seconds = stopwatch->seconds();
    request_.trace->fetch_seconds = request_.trace->seconds - searched_seconds;
  }
  return complete;
}

}  // namespace

Result<std::vector<Hit>> ExecuteQuery(const Collection& collection, const QueryRequest& request) {
  // A new growing segment comes once in many thousand writes, so this runs twice at most in
  // practice; the request's deadline bounds it in any case.
  while (true) {
    Executor executor(collection, request);
    auto hits = executor.Run();
    if (!hits || !executor.view_is_behind()) return hits;
    if (request.trace != nullptr) *request.trace = {};
  }
}

}  // namespace almagest
