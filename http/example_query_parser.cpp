#include "http/example_query_parser.h"

#include <fmt/format.h>

#include "http/error_response.h"
#include "http/filter_parser.h"
#include "http/vector_parser.h"

namespace almagest {
namespace {

constexpr size_t kExamplesMax = 1024;  // Of one list: each may cost a scan of the collection.

Result<std::vector<JsonValue>> ExampleItems(const JsonValue& list) {
  ALMAGEST_TRY(auto items, list.Items());
  if (items.size() > kExamplesMax) {
    return Fail(ValueError(list.path(), fmt::format("of {} examples", items.size()),
                           fmt::format("a list of at most {}", kExamplesMax)));
  }
  return items;
}

Result<std::vector<VectorInput>> FindInputs(const JsonValue& value, std::string_view key,
                                            TextResolver& texts) {
  std::vector<VectorInput> inputs;
  const auto list = value.Find(key);
  if (!list) return inputs;
  ALMAGEST_TRY(const auto items, ExampleItems(*list));
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

Result<RelevanceFeedbackQuery> ParseRelevanceFeedback(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY(const JsonValue target, value.Require("target"));
  ALMAGEST_TRY(const JsonValue feedback, value.Require("feedback"));
  ALMAGEST_TRY(const JsonValue strategy, value.Require("strategy"));
  ALMAGEST_TRY(const JsonValue naive, strategy.Require("naive"));
  RelevanceFeedbackQuery query;
  ALMAGEST_TRY(query.target, ParseVectorInput(target, texts));
  ALMAGEST_TRY(const auto items, ExampleItems(feedback));
  if (items.empty()) {
    return Fail(ValueError(feedback.path(), "[]",
                           "a list with an element: feedback elements must be non-empty"));
  }
  for (const JsonValue& item : items) {
    ALMAGEST_TRY(const JsonValue example, item.Require("example"));
    ALMAGEST_TRY(const JsonValue score, item.Require("score"));
    RelevanceFeedbackQuery::Item& parsed = query.feedback.emplace_back();
    ALMAGEST_TRY(parsed.example, ParseVectorInput(example, texts));
    ALMAGEST_TRY(parsed.score, score.AsDouble());
  }
  for (const auto& [key, factor] :
       {std::pair<std::string_view, float*>{"a", &query.a}, {"b", &query.b}, {"c", &query.c}}) {
    ALMAGEST_TRY(const JsonValue number, naive.Require(key));
    ALMAGEST_TRY(*factor, number.AsDouble());
  }
  if (query.b < 0) {
    return Fail(ValueError(naive.ChildPath("b"), fmt::format("{:.1f}", query.b), "0.0 or larger"));
  }
  return query;
}

// A list of sets, each a list of examples or one example.
Result<std::vector<SetQuery::Examples>> FindSets(const JsonValue& value, std::string_view key,
                                                 TextResolver& texts) {
  std::vector<SetQuery::Examples> sets;
  const auto list = value.Find(key);
  if (!list) return sets;
  ALMAGEST_TRY(const auto items, ExampleItems(*list));
  for (const JsonValue& item : items) {
    SetQuery::Examples& set = sets.emplace_back();
    if (item.IsObject() && item.Find("examples")) {
      ALMAGEST_TRY_VOID(item.RefuseUnknownKeys({"examples"}));
      ALMAGEST_TRY(set, FindInputs(item, "examples", texts));
      if (set.empty()) {
        return Fail(ValueError(item.ChildPath("examples"), "[]", "a list with an example"));
      }
      continue;
    }
    ALMAGEST_TRY(VectorInput example, ParseVectorInput(item, texts));
    set.push_back(std::move(example));
  }
  return sets;
}

Result<SetQuery> ParseSets(const JsonValue& value, TextResolver& texts) {
  ALMAGEST_TRY_VOID(value.RefuseUnknownKeys({"all_of", "any_of", "none_of"}));
  SetQuery query;
  ALMAGEST_TRY(query.all_of, FindSets(value, "all_of", texts));
  ALMAGEST_TRY(query.any_of, FindSets(value, "any_of", texts));
  ALMAGEST_TRY(query.none_of, FindSets(value, "none_of", texts));
  if (query.all_of.empty() && query.any_of.empty()) {
    return Fail(ValueError(value.path(), "without all_of and any_of",
                           "given one set at least in one of them"));
  }
  return query;
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
    ALMAGEST_TRY(items, ExampleItems(value));
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
  if (const auto feedback = query.Find("relevance_feedback")) {
    ALMAGEST_TRY(RelevanceFeedbackQuery parsed, ParseRelevanceFeedback(*feedback, texts));
    return std::optional<QueryKind>(std::move(parsed));
  }
  if (const auto sets = query.Find("set")) {
    ALMAGEST_TRY(SetQuery parsed, ParseSets(*sets, texts));
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
    ALMAGEST_TRY(mmr.candidates_limit, candidates->AsUnsignedIn(0, kDiversifiedMax));
  }
  return std::optional<Diversification>(mmr);
}

}  // namespace almagest
