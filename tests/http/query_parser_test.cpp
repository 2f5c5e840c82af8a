// Queries: trees, fusion, selectors, templates, and what is refused by name.
#include "http/query_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/error_response.h"

namespace almagest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TextModels& Models() {
  static TextModels models("/nonexistent");
  return models;
}

Result<ParsedQuery> Parse(const std::string& sent) {
  ALMAGEST_TRY(const JsonValue body, ParseJsonBody(sent));
  return ParseWithTexts(Models(), 1,
                        [&](TextResolver& texts) { return ParseQueryRequest(body, texts); });
}

std::string ErrorOf(const std::string& sent) {
  const auto query = Parse(sent);
  return query ? "no error" : ErrorText(query.error());
}

TEST(QueryParser, ReadsBareAndWrappedVectors) {
  for (const char* sent : {R"({"query": [1, 2]})", R"({"query": {"nearest": [1, 2]}})"}) {
    SCOPED_TRACE(sent);
    const auto query = Parse(sent);
    ASSERT_TRUE(query.has_value()) << query.error().message;
    const auto& nearest = std::get<NearestQuery>(*query->request.root.query);
    EXPECT_THAT(std::get<DenseVector>(nearest.target), ElementsAre(1, 2));
    EXPECT_EQ(query->request.root.limit, 10u);
    ASSERT_TRUE(query->logged.has_value());
    EXPECT_EQ(query->logged->vector_name, "");
  }
  const auto by_id = Parse(R"({"query": 7, "using": "a"})");
  ASSERT_TRUE(by_id.has_value());
  EXPECT_EQ(std::get<PointId>(std::get<NearestQuery>(*by_id->request.root.query).target),
            PointId(uint64_t{7}));
  EXPECT_FALSE(by_id->logged.has_value());
}

TEST(QueryParser, ReadsHybridTreesAndRemembersTheDenseLeg) {
  const auto query = Parse(R"({
      "prefetch": [
        {"query": {"text": "moon", "model": "qdrant/bm25"}, "using": "s", "limit": 100},
        {"query": [1, 0], "using": "d", "limit": 50, "score_threshold": 0.5,
         "params": {"hnsw_ef": 64, "exact": true, "idf": "global",
                    "quantization": {"ignore": true, "rescore": false, "oversampling": 2.5}},
         "filter": {"must": []}}],
      "query": {"rrf": {"k": 60, "weights": [1, 2.5]}},
      "limit": 18446744073709551615, "offset": 3,
      "with_payload": {"exclude": ["a.b"]}, "with_vector": ["d"]})");
  ASSERT_TRUE(query.has_value()) << query.error().message;
  const QueryNode& root = query->request.root;
  ASSERT_EQ(root.prefetch.size(), 2u);
  EXPECT_EQ(
      std::get<SparseVector>(std::get<NearestQuery>(*root.prefetch[0].query).target).indices.size(),
      1u);
  EXPECT_EQ(root.prefetch[1].limit, 50u);
  EXPECT_EQ(root.prefetch[1].params.beam_width, 64u);
  EXPECT_TRUE(root.prefetch[1].params.exact);
  EXPECT_TRUE(root.prefetch[1].params.quantized.ignore);
  EXPECT_EQ(root.prefetch[1].params.quantized.rescore, false);
  EXPECT_EQ(root.prefetch[1].params.quantized.oversampling, 2.5);
  EXPECT_EQ(root.prefetch[1].score_threshold, 0.5);
  const auto& fusion = std::get<FusionQuery>(*root.query);
  EXPECT_EQ(fusion.rrf_k, 60);
  EXPECT_THAT(fusion.weights, ElementsAre(1, 2.5));
  EXPECT_EQ(root.limit, UINT64_MAX);
  EXPECT_EQ(query->request.offset, 3u);
  EXPECT_EQ(query->request.with_payload.mode, PayloadSelector::Mode::kExclude);
  EXPECT_THAT(query->request.with_vector.names, ElementsAre("d"));
  ASSERT_TRUE(query->logged.has_value());
  EXPECT_EQ(query->logged->vector_name, "d");
}

TEST(QueryParser, ReadsOtherQueries) {
  const auto order = Parse(
      R"({"query": {"order_by": {"key": "t", "direction": "desc",
          "start_from": "1970-01-01T00:00:02Z"}}})");
  ASSERT_TRUE(order.has_value());
  const auto& order_by = std::get<OrderByQuery>(*order->request.root.query);
  EXPECT_TRUE(order_by.descending);
  EXPECT_EQ(order_by.start_from, 2e6);
  EXPECT_TRUE(std::holds_alternative<SampleQuery>(
      *Parse(R"({"query": {"sample": "random"}})")->request.root.query));
  EXPECT_FALSE(Parse("{}")->request.root.query.has_value());
}

TEST(QueryParser, ReadsSixtyFourLevelsAndNoMore) {
  const auto nested = [](size_t depth) {
    std::string sent = R"({"query": [1]})";
    for (size_t i = 0; i < depth; ++i) sent = R"({"prefetch": [)" + sent + R"(], "query": [1]})";
    return sent;
  };
  EXPECT_TRUE(Parse(nested(64)).has_value());
  EXPECT_THAT(ErrorOf(nested(65)), HasSubstr("nested at most 64 deep"));
  EXPECT_THAT(ErrorOf(nested(2'000)), HasSubstr("nested deeper than 160 levels"));
}

TEST(QueryParser, ReadsLearnedFusion) {
  const auto query = Parse(R"({"prefetch": [{"query": [1]}], "query": {"fusion": "learned"}})");
  ASSERT_TRUE(query.has_value()) << query.error().message;
  EXPECT_EQ(std::get<FusionQuery>(*query->request.root.query).kind, FusionQuery::Kind::kLearned);
}

TEST(QueryParser, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"query": {"recommend": {}}})", "one example at least"},
      {R"({"query": {"recommend": {"positive": [1], "strategy": "best"}}})", "`best_score`"},
      {R"({"query": {"discover": {"context": []}}})", "missing field `target`"},
      {R"({"query": {"context": [{"positive": 1}]}})", "missing field `negative`"},
      {R"({"query": {"formula": []}})", "[query.formula]: expected an expression"},
      {R"({"query": {"relevance_feedback": {}}})", "missing field `target`"},
      {R"({"query": {"nearest": [1], "mmr": {"diversity": 2}}})", "query.mmr.diversity"},
      {R"({"query": [[1], [2, 3]]})", "the same dimension"},
      {R"({"query": [1], "lookup_from": {"vector": "x"}})", "missing field `collection`"},
      {R"({"query": [1], "shard_key": "x"})", "`shard_key` is not supported"},
      {R"({"query": [1], "params": {"quantization": {"oversampling": 0.5}}})",
       "[params.quantization.oversampling: value 0.5 invalid, must be from 1 to 1000]"},
      {R"({"query": [1], "params": {"acorn": {"enable": true}}})", "`params.acorn`"},
      {R"({"query": [1], "params": {"idf": {"corpus": {"x": 1}}}})", "params.idf.corpus"},
      {R"({"query": [1], "params": {"idf": "local"}})", "[params.idf]: expected `global`"},
      {R"({"query": {"fusion": "max"}})", "expected `rrf`, `dbsf` or `learned`"},
      {R"({"query": {"rrf": {"k": 0}}})", "[query.rrf.k: value 0 invalid"},
      {R"({"query": {"rrf": {"weights": [1]}}})", "got 1, expected 0"},
      {R"({"query": {"sample": "best"}})", "expected `random`"},
      {R"({"query": [1], "limit": 0})", "[limit: value 0 invalid, must be 1 or larger]"},
      {R"({"query": [1], "limit": -1})", "[limit]: expected a whole number from 0 on, got -1"},
      {R"({"query": [1], "offset": -1})", "[offset]"},
      {R"({"query": [1], "params": {"hnsw_ef": 0}})", "[params.hnsw_ef: value 0 invalid"},
      {R"({"query": [1], "params": {"hnsw_ef": 65537}})", "must be from 1 to 65536"},
      {R"({"query": [1], "prefetch": {"query": [1], "limit": 0}})", "[prefetch.limit"},
      {R"({"query": [1], "with_payload": {"include": [], "exclude": []}})", "[with_payload]"},
      {R"({"query": {}})", "[query]"},
      {R"({"query": true})", "[query]"},
  };
  for (const auto& [sent, expected] : cases) {
    SCOPED_TRACE(sent);
    EXPECT_THAT(ErrorOf(sent), HasSubstr(expected));
  }
}

TEST(QueryParser, ReadsTheOlderSearch) {
  const auto body = ParseJsonBody(
      R"({"vector": {"name": "a", "vector": [1, 2]}, "top": 3, "score_threshold": 0.1})");
  ASSERT_TRUE(body.has_value());
  const auto query = ParseWithTexts(
      Models(), 1, [&](TextResolver& texts) { return ParseSearchRequest(*body, texts); });
  ASSERT_TRUE(query.has_value()) << query.error().message;
  EXPECT_EQ(query->request.root.using_vector, "a");
  EXPECT_EQ(query->request.root.limit, 3u);
}

TEST(QueryTemplate, FillsPlaceholders) {
  const auto value = ParseJsonBody(R"({
      "prefetch": [{"query": {"$text": "qdrant/bm25"}, "using": "s"},
                   {"query": {"nearest": {"$vector": "v"}}, "using": "d"},
                   {"query": {"$point": true}, "using": "d"}],
      "query": {"fusion": "rrf"}})");
  ASSERT_TRUE(value.has_value());
  QueryBindings bindings;
  bindings.path = "queries[0]";
  bindings.text = "moon";
  bindings.vectors.emplace("v", DenseVector{1, 2});
  bindings.point = uint64_t{9};
  const auto parse = [&] {
    return ParseWithTexts(Models(), 1, [&](TextResolver& texts) {
      return ParseQueryTemplate(*value, texts, bindings);
    });
  };
  const auto node = parse();
  ASSERT_TRUE(node.has_value()) << node.error().message;
  const auto target = [&](size_t i) {
    return std::get<NearestQuery>(*node->prefetch[i].query).target;
  };
  EXPECT_EQ(std::get<SparseVector>(target(0)).indices.size(), 1u);
  EXPECT_THAT(std::get<DenseVector>(target(1)), ElementsAre(1, 2));
  EXPECT_EQ(std::get<PointId>(target(2)), PointId(uint64_t{9}));
  bindings.text.reset();
  EXPECT_THAT(parse().error().message, HasSubstr("[queries[0]]: missing field `text`"));
}

TEST(QueryTemplate, PlaceholdersMeanNothingElsewhere) {
  EXPECT_THAT(ErrorOf(R"({"query": {"$text": "qdrant/bm25"}})"), HasSubstr("[query]"));
}

}  // namespace
}  // namespace almagest
