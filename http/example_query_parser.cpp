#include "http/example_query_parser.h"

#include <fmt/format.h>

#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

constexpr uint64_t kMmrCandidatesMax = 16'384;

Result<std::vector<VectorInput>> FindInputs(const JsonValue& value, std::string_view key,
                                            TextResolver& texts) {
  std::vector<VectorInput> inputs;
  const auto list = value.Find(key);
  if (!list) return inputs;
  ALMAGEST_TRY(const auto items, list->Items());
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(VectorInput input, ParseVectorInput(item, texts));
    inputs.push_back(std::move(input));
  }
  return inputs;
}

Result<ContextPair> ParsePair(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY(const JsonValue positive, value.Require("positive"));
  ALMAGEST_TRY(const JsonValue negative, value.Require("negative"));
  ContextPair pair;
  ALMAGEST_TRY(pair.positive, ParseVectorInput(positive, texts));
  ALMAGEST_TRY(pair.negative, ParseVectorInput(negative, texts));
  return pair;
}

}  // namespace

Result<VectorInput> ParseVectorInput(const JsonValue& value, TextResolver& texts) {
  if (value.IsNumber() || value.IsString()) {
    ALMAGEST_TRY(PointId id, ParsePointId(value));
    return VectorInput(std::move(id));
  }
  ALMAGEST_TRY(VectorData vector, ParseVector(value, texts, /*is_query=*/true));
  return std::visit([](auto& data) { return VectorInput(std::move(data)); }, vector);
}

Result<RecommendQuery> ParseRecommend(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY_VOID(value.ExpectObject());
  RecommendQuery query;
  ALMAGEST_TRY(query.positive, FindInputs(value, "positive", texts));
  ALMAGEST_TRY(query.negative, FindInputs(value, "negative", texts));
  ALMAGEST_TRY(const auto strategy, value.FindString("strategy"));
  if (strategy == "best_score") {
    query.strategy = RecommendQuery::Strategy::kBestScore;
  } else if (strategy == "sum_scores") {
    query.strategy = RecommendQuery::Strategy::kSumScores;
  } else if (strategy && *strategy != "average_vector") {
    return Fail(FormatError(value.ChildPath("strategy"),
                            "expected `average_vector`, `best_score` or `sum_scores`"));
  }
  if (query.positive.empty() && query.negative.empty()) {
    return Fail(ValueError(value.ChildPath("positive"), "without examples",
                           "given where `negative` is not: one example at least"));
  }
  return query;
}

Result<std::vector<ContextPair>> ParseContext(const JsonValue& value, TextResolver& texts) {
  std::vector<JsonValue> items{value};
  if (value.IsArray()) {
    ALMAGEST_TRY(items, value.Items());
  }
  std::vector<ContextPair> pairs;
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(ContextPair pair, ParsePair(item, texts));
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

Result<std::optional<QueryKind>> FindExampleQuery(const JsonValue& query, TextResolver& texts) {
  if (const auto recommend = query.Find("recommend")) {
    ALMAGEST_TRY(RecommendQuery parsed, ParseRecommend(*recommend, texts));
    return std::optional<QueryKind>(std::move(parsed));
  }
  if (const auto discover = query.Find("discover")) {
    ALMAGEST_TRY(const JsonValue target, discover->Require("target"));
    DiscoverQuery parsed;
    ALMAGEST_TRY(parsed.target, ParseVectorInput(target, texts));
    if (const auto context = discover->Find("context")) {
      ALMAGEST_TRY(parsed.pairs, ParseContext(*context, texts));
    }
    return std::optional<QueryKind>(std::move(parsed));
  }
  if (const auto context = query.Find("context")) {
    ContextQuery parsed;
    ALMAGEST_TRY(parsed.pairs, ParseContext(*context, texts));
    return std::optional<QueryKind>(std::move(parsed));
  }
  return std::optional<QueryKind>();
}

Result<std::optional<Diversification>> FindDiversification(const JsonValue& query) {
  const auto value = query.Find("mmr");
  if (!value) return std::optional<Diversification>();
  ALMAGEST_TRY_VOID(value->ExpectObject());
  Diversification mmr;
  if (const auto diversity = value->Find("diversity")) {
    ALMAGEST_TRY(mmr.diversity, diversity->AsDoubleIn(0, 1));
  }
  if (const auto candidates = value->Find("candidates_limit")) {
    ALMAGEST_TRY(mmr.candidates_limit, candidates->AsUnsignedIn(1, kMmrCandidatesMax));
  }
  return std::optional<Diversification>(mmr);
}

}  // namespace almagest
