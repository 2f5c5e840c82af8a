#include "engine/search/vector_query.h"

#include <algorithm>
#include <limits>
#include <map>

#include "engine/search/bridged_search.h"
#include "engine/search/corpus_idf.h"
#include "engine/search/dense_search.h"
#include "engine/search/diversify.h"
#include "engine/search/example_scoring.h"
#include "engine/search/multi_search.h"
#include "engine/search/sparse_search.h"
#include "engine/search/vector_input.h"

namespace almagest {
namespace {

using Strategy = RecommendQuery::Strategy;

// A vector query with its field found and its examples resolved as they are needed.
class VectorQuery {
 public:
  VectorQuery(const VectorQueryContext& context, Collection::Field field)
      : context_(context),
        field_(std::move(field)),
        inputs_(context.collection, field_, context.node, context.request) {}

  // Before anything else.
  Result<> FindIdfCorpus();
  Result<std::vector<RankedSlot>> Nearest(const NearestQuery& query);
  Result<std::vector<RankedSlot>> Recommend(const RecommendQuery& query);
  Result<std::vector<RankedSlot>> Discover(const DiscoverQuery& query);
  Result<std::vector<RankedSlot>> Context(const ContextQuery& query);
  Result<std::vector<RankedSlot>> Feedback(const RelevanceFeedbackQuery& query);
  Result<std::vector<RankedSlot>> Sets(const SetQuery& query);

 private:
  Result<std::vector<RankedSlot>> Search(const VectorData& target, size_t k, const SlotSet* allowed,
                                         bool exact, bool bridged = false) const;
  // `bridged`: also points that only have the vector of an older model, if a bridge leads to it.
  Result<std::vector<RankedSlot>> NearestTo(const VectorData& target, uint64_t limit,
                                            bool bridged = true);
  Result<std::vector<RankedSlot>> SearchField(const DenseSearch& search, bool bridged) const;
  // The candidates that have the vector, ascending.
  Result<> FindPoints();
  Result<Similarities> SimilaritiesTo(std::span<const VectorInput> examples);
  Result<Similarities> SimilaritiesToSets(std::span<const SetQuery::Examples> sets);
  std::vector<RankedSlot> BestOf(const std::vector<float>& scores);
  void Cut(std::vector<RankedSlot>& ranked, uint64_t limit) const;
  bool Passes(float similarity) const;

  const VectorQueryContext& context_;
  Collection::Field field_;
  VectorInputs inputs_;
  std::optional<SlotSet> idf_corpus_;
  SlotSet point_set_;
  std::vector<Slot> points_;
  std::vector<bool> seen_;  // By a search, of points_.
};

Result<> VectorQuery::FindIdfCorpus() {
  const QueryNode& node = context_.node;
  if (!node.params.idf_corpus) return {};
  if (!field_.is_sparse || !field_.sparse.idf) {
    return Fail(ErrorCode::kBadRequest, "params.idf has a corpus, but vector '" +
                                            node.using_vector +
                                            "' is no sparse vector with the idf modifier");
  }
  Filter corpus;
  corpus.must = {FilterCondition{std::make_shared<const Filter>(*node.params.idf_corpus)},
                 HasVectorCondition{node.using_vector}};
  ALMAGEST_TRY(idf_corpus_, context_.collection.MatchingSlots(corpus, context_.request.deadline));
  return {};
}

Result<std::vector<RankedSlot>> VectorQuery::Search(const VectorData& target, size_t k,
                                                    const SlotSet* allowed, bool exact,
                                                    bool bridged) const {
  const QueryNode& node = context_.node;
  if (field_.is_sparse) {
    const auto& query = std::get<SparseVector>(target);
    SparseSearch search;
    search.field = field_;
    search.query = &query;
    search.k = k;
    search.allowed = allowed;
    search.indexed_only = node.params.indexed_only;
    search.deadline = context_.request.deadline;
    if (context_.trace != nullptr) search.trace = &context_.trace->segments;
    std::vector<float> idf;
    if (idf_corpus_) {
      ALMAGEST_TRY(idf, CorpusIdf(context_.collection, context_.view, field_, *idf_corpus_,
                                  query.indices, context_.request.deadline));
      search.idf = &idf;
    }
    return SearchSparse(context_.collection, context_.view, search);
  }
  if (field_.is_multi()) {
    MultiSearch search;
    search.field = field_;
    search.query = &std::get<MultiVector>(target);
    search.k = k;
    search.allowed = allowed;
    search.indexed_only = node.params.indexed_only;
    search.deadline = context_.request.deadline;
    if (context_.trace != nullptr) search.trace = &context_.trace->segments;
    return SearchMulti(context_.view, search);
  }
  DenseSearch search{.params = node.params};
  search.vector_name = node.using_vector;
  search.field = field_.id;
  search.distance = field_.dense.distance;
  search.base_query = std::get<DenseVector>(target);
  search.k = k;
  search.exact = exact || node.params.exact;
  search.allowed = allowed;
  search.as_version = VersionAsked(context_.request, node);
  search.deadline = context_.request.deadline;
  if (context_.trace != nullptr) search.trace = &context_.trace->segments;
  return SearchField(search, bridged);
}

Result<std::vector<RankedSlot>> VectorQuery::SearchField(const DenseSearch& search,
                                                         bool bridged) const {
  const auto bridge = context_.view.bridges.find(field_.id);
  if (!bridged || bridge == context_.view.bridges.end()) return SearchDense(context_.view, search);
  return SearchBridged(context_.collection, context_.view, search, *bridge->second);
}

bool VectorQuery::Passes(float similarity) const {
  const std::optional<double>& threshold = context_.node.score_threshold;
  if (!threshold) return true;
  const Distance distance = ScoreDistance(*context_.node.query, field_);
  const double score = RestScore(distance, similarity);
  return LargerIsNearer(distance) ? score > *threshold : score < *threshold;
}

// Drops what is excluded, what is beyond the limit, and what the threshold refuses.
void VectorQuery::Cut(std::vector<RankedSlot>& ranked, uint64_t limit) const {
  std::erase_if(ranked, [&](const RankedSlot& entry) {
    return context_.excluded.Contains(entry.slot) || !Passes(entry.score);
  });
  if (ranked.size() > limit) ranked.resize(limit);
}

Result<std::vector<RankedSlot>> VectorQuery::NearestTo(const VectorData& target, uint64_t limit,
                                                       bool bridged) {
  // More than asked for, since the excluded ones are dropped from what is found.
  const size_t k =
      std::min<uint64_t>(limit, context_.collection.point_count()) + context_.excluded.size();
  const SlotSet* allowed = context_.candidates ? &*context_.candidates : nullptr;
  ALMAGEST_TRY(auto ranked, Search(target, k, allowed, context_.exact, bridged));
  Cut(ranked, limit);
  return ranked;
}

Result<std::vector<RankedSlot>> VectorQuery::Nearest(const NearestQuery& query) {
  ALMAGEST_TRY(const VectorData target, inputs_.Resolve(query.target));
  if (!query.mmr) return NearestTo(target, context_.limit);
  const uint64_t candidates =
      query.mmr->candidates_limit.value_or(std::min(context_.limit, kDiversifiedMax));
  // What is not near each other is told by vectors of one model.
  ALMAGEST_TRY(auto ranked, NearestTo(target, candidates, /*bridged=*/false));
  return Diversify(context_.collection, context_.view, context_.node.using_vector, field_,
                   VersionAsked(context_.request, context_.node), std::move(ranked),
                   query.mmr->diversity, context_.limit, context_.request.deadline);
}

// 2 avg(positive) - avg(negative) of sparse vectors, term by term.
SparseVector AverageSparse(const std::vector<VectorData>& positive,
                           const std::vector<VectorData>& negative) {
  std::map<uint32_t, float> sum;
  const auto add = [&](const std::vector<VectorData>& vectors, float factor) {
    for (const VectorData& data : vectors) {
      const auto& vector = std::get<SparseVector>(data);
      for (size_t i = 0; i < vector.indices.size(); ++i) {
        sum[vector.indices[i]] += factor * vector.values[i] / static_cast<float>(vectors.size());
      }
    }
  };
  add(positive, negative.empty() ? 1.0f : 2.0f);
  add(negative, -1.0f);
  SparseVector average;
  for (const auto& [index, value] : sum) {
    average.indices.push_back(index);
    average.values.push_back(value);
  }
  return average;
}

// An average would mix up rows that mean different things: the rows of all positive examples side
// by side, and those of the negative ones turned round, as Qdrant does it.
MultiVector JoinExamples(const std::vector<VectorData>& positive,
                         const std::vector<VectorData>& negative) {
  MultiVector joined;
  for (const VectorData& data : positive) {
    const auto& vector = std::get<MultiVector>(data);
    joined.dimension = vector.dimension;
    joined.values.insert(joined.values.end(), vector.values.begin(), vector.values.end());
  }
  for (const VectorData& data : negative) {
    for (const float value : std::get<MultiVector>(data).values) joined.values.push_back(-value);
  }
  return joined;
}

std::vector<DenseVector> AsDense(std::vector<VectorData> vectors) {
  std::vector<DenseVector> dense;
  for (VectorData& vector : vectors) dense.push_back(std::get<DenseVector>(std::move(vector)));
  return dense;
}

Result<std::vector<RankedSlot>> VectorQuery::Recommend(const RecommendQuery& query) {
  if (query.positive.empty() && query.negative.empty()) {
    return Fail(ErrorCode::kOutOfRange,
                "recommend: positive and negative are empty, there must be one example at least");
  }
  if (query.strategy == Strategy::kAverageVector) {
    if (query.positive.empty()) {
      return Fail(ErrorCode::kBadRequest,
                  "the average_vector strategy needs a positive example at least");
    }
    ALMAGEST_TRY(auto positive, inputs_.ResolveAll(query.positive));
    ALMAGEST_TRY(auto negative, inputs_.ResolveAll(query.negative));
    if (field_.is_sparse) return NearestTo(AverageSparse(positive, negative), context_.limit);
    if (field_.is_multi()) return NearestTo(JoinExamples(positive, negative), context_.limit);
    return NearestTo(AverageExample(AsDense(std::move(positive)), AsDense(std::move(negative))),
                     context_.limit);
  }
  ALMAGEST_TRY_VOID(FindPoints());
  ALMAGEST_TRY(const auto positive, SimilaritiesTo(query.positive));
  ALMAGEST_TRY(const auto negative, SimilaritiesTo(query.negative));
  return BestOf(query.strategy == Strategy::kBestScore
                    ? BestScores(positive, negative, points_.size())
                    : SumScores(positive, negative, points_.size()));
}

void SplitPairs(const std::vector<ContextPair>& pairs, std::vector<VectorInput>& positive,
                std::vector<VectorInput>& negative) {
  for (const ContextPair& pair : pairs) {
    positive.push_back(pair.positive);
    negative.push_back(pair.negative);
  }
}

Result<std::vector<RankedSlot>> VectorQuery::Discover(const DiscoverQuery& query) {
  std::vector<VectorInput> positive, negative;
  SplitPairs(query.pairs, positive, negative);
  ALMAGEST_TRY_VOID(FindPoints());
  ALMAGEST_TRY(const auto target, SimilaritiesTo(std::span(&query.target, 1)));
  ALMAGEST_TRY(const auto liked, SimilaritiesTo(positive));
  ALMAGEST_TRY(const auto disliked, SimilaritiesTo(negative));
  return BestOf(DiscoverScores(target.front(), liked, disliked));
}

Result<std::vector<RankedSlot>> VectorQuery::Context(const ContextQuery& query) {
  if (query.pairs.empty()) {
    return Fail(ErrorCode::kOutOfRange, "context is empty, there must be one pair at least");
  }
  std::vector<VectorInput> positive, negative;
  SplitPairs(query.pairs, positive, negative);
  ALMAGEST_TRY_VOID(FindPoints());
  ALMAGEST_TRY(const auto liked, SimilaritiesTo(positive));
  ALMAGEST_TRY(const auto disliked, SimilaritiesTo(negative));
  return BestOf(ContextScores(liked, disliked, points_.size()));
}

Result<std::vector<RankedSlot>> VectorQuery::Feedback(const RelevanceFeedbackQuery& query) {
  if (query.feedback.empty()) {
    return Fail(ErrorCode::kOutOfRange, "relevance_feedback: feedback elements must be non-empty");
  }
  std::vector<VectorInput> examples{query.target};
  std::vector<float> scores;
  for (const RelevanceFeedbackQuery::Item& item : query.feedback) {
    examples.push_back(item.example);
    scores.push_back(item.score);
  }
  ALMAGEST_TRY_VOID(FindPoints());
  ALMAGEST_TRY(const auto similarities, SimilaritiesTo(examples));
  return BestOf(FeedbackScores(similarities.front(), std::span(similarities).subspan(1), scores,
                               {query.a, query.b, query.c}));
}

Result<std::vector<RankedSlot>> VectorQuery::Sets(const SetQuery& query) {
  if (query.all_of.empty() && query.any_of.empty()) {
    return Fail(ErrorCode::kOutOfRange, "set: all_of and any_of are empty, one must have a set");
  }
  ALMAGEST_TRY_VOID(FindPoints());
  ALMAGEST_TRY(const auto all, SimilaritiesToSets(query.all_of));
  ALMAGEST_TRY(const auto any, SimilaritiesToSets(query.any_of));
  ALMAGEST_TRY(const auto none, SimilaritiesToSets(query.none_of));
  return BestOf(SetScores(all, any, none, points_.size()));
}

Result<Similarities> VectorQuery::SimilaritiesToSets(std::span<const SetQuery::Examples> sets) {
  Similarities means;
  for (const SetQuery::Examples& examples : sets) {
    ALMAGEST_TRY(const auto similarities, SimilaritiesTo(examples));
    means.push_back(MeanSimilarity(similarities, points_.size()));
  }
  return means;
}

Result<> VectorQuery::FindPoints() {
  Filter with_vector;
  with_vector.must.push_back(HasVectorCondition{context_.node.using_vector});
  ALMAGEST_TRY(point_set_,
               context_.collection.MatchingSlots(with_vector, context_.request.deadline));
  if (context_.candidates) point_set_ &= *context_.candidates;
  point_set_ -= context_.excluded;
  points_ = point_set_.ToVector();
  // A sparse search finds only points that share a term; the others' product is 0.
  const bool all_count = field_.is_sparse && !context_.node.params.indexed_only;
  seen_.assign(points_.size(), all_count);
  return {};
}

Result<Similarities> VectorQuery::SimilaritiesTo(std::span<const VectorInput> examples) {
  ALMAGEST_TRY(const auto vectors, inputs_.ResolveAll(examples));
  Similarities similarities;
  for (const VectorData& vector : vectors) {
    std::vector<float>& list = similarities.emplace_back(points_.size(), 0.0f);
    if (points_.empty()) continue;
    ALMAGEST_TRY(auto found, Search(vector, points_.size(), &point_set_, /*exact=*/true));
    std::ranges::sort(found, {}, &RankedSlot::slot);
    size_t position = 0;
    for (const RankedSlot& entry : found) {
      while (position < points_.size() && points_[position] < entry.slot) ++position;
      if (position == points_.size()) break;
      if (points_[position] != entry.slot) continue;
      list[position] = entry.score;
      seen_[position] = true;
    }
  }
  return similarities;
}

std::vector<RankedSlot> VectorQuery::BestOf(const std::vector<float>& scores) {
  std::vector<RankedSlot> ranked;
  for (size_t i = 0; i < points_.size(); ++i) {
    if (seen_[i]) ranked.push_back({points_[i], scores[i]});
  }
  std::ranges::sort(ranked, RanksBefore);
  Cut(ranked, context_.limit);
  return ranked;
}

}  // namespace

bool IsVectorQuery(const QueryKind& query) {
  return std::holds_alternative<NearestQuery>(query) ||
         std::holds_alternative<RecommendQuery>(query) ||
         std::holds_alternative<DiscoverQuery>(query) ||
         std::holds_alternative<ContextQuery>(query) ||
         std::holds_alternative<RelevanceFeedbackQuery>(query) ||
         std::holds_alternative<SetQuery>(query);
}

bool OrdersByItself(const QueryKind& query) {
  const auto* nearest = std::get_if<NearestQuery>(&query);
  return nearest != nullptr && nearest->mmr.has_value();
}

Distance ScoreDistance(const QueryKind& query, const Collection::Field& field) {
  const auto* recommend = std::get_if<RecommendQuery>(&query);
  const bool is_one_vector = std::holds_alternative<NearestQuery>(query) ||
                             (recommend && recommend->strategy == Strategy::kAverageVector);
  return is_one_vector && !field.is_sparse ? field.dense.distance : Distance::kDot;
}

Result<std::vector<RankedSlot>> RunVectorQuery(const VectorQueryContext& context) {
  ALMAGEST_TRY(Collection::Field field, context.collection.FindField(context.node.using_vector));
  VectorQuery run(context, std::move(field));
  ALMAGEST_TRY_VOID(run.FindIdfCorpus());
  const QueryKind& query = *context.node.query;
  if (const auto* nearest = std::get_if<NearestQuery>(&query)) return run.Nearest(*nearest);
  if (const auto* recommend = std::get_if<RecommendQuery>(&query)) return run.Recommend(*recommend);
  if (const auto* discover = std::get_if<DiscoverQuery>(&query)) return run.Discover(*discover);
  if (const auto* context_query = std::get_if<ContextQuery>(&query)) {
    return run.Context(*context_query);
  }
  if (const auto* sets = std::get_if<SetQuery>(&query)) return run.Sets(*sets);
  return run.Feedback(std::get<RelevanceFeedbackQuery>(query));
}

}  // namespace almagest
