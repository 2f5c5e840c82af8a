#include "engine/search/query_executor.h"

#include <algorithm>
#include <random>

#include "engine/search/dense_search.h"
#include "engine/search/fusion.h"
#include "engine/search/hydrate.h"
#include "engine/search/vector_query.h"

namespace almagest {
namespace {

// One query's context while its tree is walked. All legs see the same view.
class Executor {
 public:
  Executor(const Collection& collection, const QueryRequest& request)
      : collection_(collection), request_(request), view_(collection.view()) {}

  Result<std::vector<Hit>> Run();

 private:
  // The best `limit` of a node, as similarities.
  Result<std::vector<RankedSlot>> RunNode(const QueryNode& node,
                                          const std::vector<const Filter*>& inherited,
                                          uint64_t limit, size_t depth);
  Result<std::vector<RankedSlot>> RunFusion(const QueryNode& node, const FusionQuery& fusion,
                                            std::span<const std::vector<RankedSlot>> lists);
  Result<std::vector<RankedSlot>> RunOrderBy(const OrderByQuery& order,
                                             const std::optional<SlotSet>& allowed,
                                             uint64_t limit);
  Result<std::vector<RankedSlot>> RunSample(const std::optional<SlotSet>& allowed, uint64_t limit);
  Result<std::vector<RankedSlot>> RunById(const std::optional<SlotSet>& allowed, uint64_t limit);
  Result<std::optional<SlotSet>> Allowed(const std::vector<const Filter*>& filters) const;
  Result<Distance> DistanceOf(const QueryNode& node) const;

  const Collection& collection_;
  const QueryRequest& request_;
  std::shared_ptr<const CollectionView> view_;
};

Result<std::optional<SlotSet>> Executor::Allowed(const std::vector<const Filter*>& filters) const {
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

Result<Distance> Executor::DistanceOf(const QueryNode& node) const {
  if (!node.query || !IsVectorQuery(*node.query)) return Distance::kDot;
  ALMAGEST_TRY(const Collection::Field field, collection_.FindField(node.using_vector));
  return ScoreDistance(*node.query, field);
}

Result<std::vector<RankedSlot>> Executor::RunFusion(
    const QueryNode& node, const FusionQuery& fusion,
    std::span<const std::vector<RankedSlot>> lists) {
  if (!node.using_vector.empty()) {
    return Fail(ErrorCode::kBadRequest, "a fusion query cannot be combined with `using`");
  }
  if (node.prefetch.empty()) {
    return Fail(ErrorCode::kBadRequest, "a fusion query needs at least one prefetch");
  }
  if (!fusion.weights.empty() && fusion.weights.size() != lists.size()) {
    return Fail(ErrorCode::kOutOfRange,
                "rrf.weights has " + std::to_string(fusion.weights.size()) + " values, there are " +
                    std::to_string(lists.size()) + " prefetches");
  }
  auto fused = fusion.kind == FusionQuery::Kind::kRrf
                   ? FuseReciprocalRanks(lists, fusion.rrf_k, fusion.weights)
                   : FuseByDistribution(lists);
  if (node.score_threshold) {
    std::erase_if(fused, [&](const RankedSlot& entry) {
      return static_cast<double>(entry.score) < *node.score_threshold;
    });
  }
  return fused;
}

Result<std::vector<RankedSlot>> Executor::RunOrderBy(const OrderByQuery& order,
                                                     const std::optional<SlotSet>& allowed,
                                                     uint64_t limit) {
  std::vector<RankedSlot> ranked;
  ALMAGEST_TRY_VOID(collection_.VisitOrdered(order.key, order.descending, order.start_from,
                                             [&](double, Slot slot) {
                                               if (ranked.size() == limit) return false;
                                               if (!allowed || allowed->Contains(slot)) {
                                                 ranked.push_back({slot, 0});
                                               }
                                               return true;
                                             }));
  return ranked;
}

Result<std::vector<RankedSlot>> Executor::RunSample(const std::optional<SlotSet>& allowed,
                                                    uint64_t limit) {
  // Reservoir sampling (Vitter 1985, algorithm R): one pass, every subset equally likely.
  static thread_local std::mt19937_64 random{std::random_device{}()};
  std::vector<RankedSlot> sample;
  uint64_t seen = 0;
  const auto offer = [&](Slot slot) {
    ++seen;
    if (sample.size() < limit) {
      sample.push_back({slot, 0});
    } else {
      const uint64_t place = std::uniform_int_distribution<uint64_t>(0, seen - 1)(random);
      if (place < limit) sample[place] = {slot, 0};
    }
    return true;
  };
  if (allowed) {
    allowed->ForEach(offer);
  } else {
    ALMAGEST_TRY_VOID(collection_.VisitPoints(
        std::nullopt, [&](const PointId&, Slot slot) { return offer(slot); }));
  }
  std::shuffle(sample.begin(), sample.end(), random);
  return sample;
}

Result<std::vector<RankedSlot>> Executor::RunById(const std::optional<SlotSet>& allowed,
                                                  uint64_t limit) {
  std::vector<RankedSlot> ranked;
  ALMAGEST_TRY_VOID(collection_.VisitPoints(std::nullopt, [&](const PointId&, Slot slot) {
    if (ranked.size() == limit) return false;
    if (!allowed || allowed->Contains(slot)) ranked.push_back({slot, 0});
    return true;
  }));
  return ranked;
}

Result<std::vector<RankedSlot>> Executor::RunNode(const QueryNode& node,
                                                  const std::vector<const Filter*>& inherited,
                                                  uint64_t limit, size_t depth) {
  if (depth > kQueryDepthMax) {
    return Fail(ErrorCode::kBadRequest, "prefetches are nested deeper than " +
                                            std::to_string(kQueryDepthMax) + " levels");
  }
  if (request_.deadline.Expired()) return Fail(ErrorCode::kTimeout, "the query exceeded its time limit");
  std::vector<const Filter*> filters = inherited;
  if (node.filter && !node.filter->empty()) filters.push_back(&*node.filter);
  // A prefetch obeys the filters of the nodes above it, so that a limit is not spent on points
  // that the final answer would drop.
  std::vector<std::vector<RankedSlot>> lists;
  for (const QueryNode& child : node.prefetch) {
    ALMAGEST_TRY(auto list, RunNode(child, filters, child.limit, depth + 1));
    lists.push_back(std::move(list));
  }
  if (!node.prefetch.empty() && !node.query) {
    return Fail(ErrorCode::kBadRequest, "a query is needed to merge the prefetches");
  }
  if (node.query) {
    if (const auto* fusion = std::get_if<FusionQuery>(&*node.query)) {
      ALMAGEST_TRY(auto fused, RunFusion(node, *fusion, lists));
      if (fused.size() > limit) fused.resize(limit);
      return fused;
    }
  }
  std::optional<SlotSet> allowed;
  if (!node.prefetch.empty()) {
    SlotSet candidates;
    for (const auto& list : lists) {
      for (const RankedSlot& entry : list) candidates.Add(entry.slot);
    }
    allowed = std::move(candidates);
  } else {
    ALMAGEST_TRY(allowed, Allowed(filters));
  }
  if (!node.query) return RunById(allowed, limit);
  if (IsVectorQuery(*node.query)) {
    return RunVectorQuery({collection_, *view_, request_, node, std::move(allowed), limit,
                           /*exact=*/!node.prefetch.empty()});
  }
  if (const auto* order = std::get_if<OrderByQuery>(&*node.query)) {
    return RunOrderBy(*order, allowed, limit);
  }
  return RunSample(allowed, limit);
}

Result<std::vector<Hit>> Executor::Run() {
  const QueryNode& root = request_.root;
  const uint64_t points = collection_.point_count();
  // Offsets and limits up to 2^64-1 are legal; more than there are points is the same as all.
  const uint64_t offset = std::min(request_.offset, points);
  const uint64_t limit = std::min(root.limit, points) + offset;
  ALMAGEST_TRY(const Distance distance, DistanceOf(root));
  ALMAGEST_TRY(auto ranked, RunNode(root, {}, limit, 0));
  for (RankedSlot& entry : ranked) entry.score = RestScore(distance, entry.score);
  ALMAGEST_TRY(auto hits, Hydrate(collection_, ranked, request_.with_payload,
                                  request_.with_vector));
  const bool scored = root.query && (std::holds_alternative<FusionQuery>(*root.query) ||
                                     (IsVectorQuery(*root.query) && !OrdersByItself(*root.query)));
  if (scored) {
    // Ranked by slot among equals; what users see is ordered by their own ids.
    std::stable_sort(hits.begin(), hits.end(), [&](const Hit& a, const Hit& b) {
      if (a.score != b.score) return LargerIsNearer(distance) ? a.score > b.score
                                                              : a.score < b.score;
      return a.id < b.id;
    });
  }
  hits.erase(hits.begin(), hits.begin() + static_cast<ptrdiff_t>(std::min<uint64_t>(
                                              offset, hits.size())));
  if (hits.size() > root.limit) hits.resize(root.limit);
  return hits;
}

}  // namespace

Result<std::vector<Hit>> ExecuteQuery(const Collection& collection, const QueryRequest& request) {
  return Executor(collection, request).Run();
}

}  // namespace almagest
