// Queries through the API that rank by more than one search: formulas, relevance feedback, idf over
// a corpus, pages over prefetches, thresholds, limits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class QueryFormsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Do("PUT", "/collections/c",
       R"({"vectors": {"d": {"size": 2, "distance": "Dot"}, "e": {"size": 1, "distance": "Euclid"}},
           "sparse_vectors": {"s": {"modifier": "idf"}}})");
    Do("PUT", "/collections/c/index", R"({"field_name": "n", "field_schema": "integer"})");
    Do("PUT", "/collections/c/points", R"({"points": [
        {"id": 1, "vector": {"d": [1, 0], "e": [1], "s": {"indices": [1], "values": [1]}},
         "payload": {"n": 3, "city": "Berlin", "at": {"lon": 13.4, "lat": 52.5},
                     "day": "2024-01-01T00:00:00Z"}},
        {"id": 2, "vector": {"d": [2, 0], "e": [2], "s": {"indices": [1, 2], "values": [1, 1]}},
         "payload": {"n": [5, 1], "city": "London", "at": {"lon": -0.1, "lat": 51.5},
                     "day": "2024-01-03T00:00:00Z"}},
        {"id": 3, "vector": {"d": [3, 1], "e": [3], "s": {"indices": [2], "values": [1]}},
         "payload": {"n": 3, "city": "Berlin"}},
        {"id": 4, "vector": {"d": [4, -1], "e": [4]}, "payload": {"city": "Rome"}}]})");
  }
  json Do(const std::string& method, const std::string& target, const std::string& body = "") {
    last_ = server_.Call(method, target, body);
    EXPECT_EQ(last_.status, 200u) << method << " " << target << ": " << last_.text;
    return last_.status == 200 ? last_.result() : json();
  }
  json Query(const std::string& body) {
    const json result = Do("POST", "/collections/c/points/query", body);
    return result.is_object() ? result.at("points") : json::array();
  }
  std::vector<int> Ids(const std::string& body) {
    std::vector<int> ids;
    for (const json& point : Query(body)) ids.push_back(point.at("id"));
    return ids;
  }
  std::vector<double> Scores(const std::string& body) {
    std::vector<double> scores;
    for (const json& point : Query(body)) scores.push_back(point.at("score"));
    return scores;
  }
  std::string ErrorOf(unsigned status, const std::string& body,
                      const std::string& path = "/collections/c/points/query") {
    last_ = server_.Call("POST", path, body);
    EXPECT_EQ(last_.status, status) << body << ": " << last_.text;
    return last_.text;
  }
  // A formula over the nearest of all points by dot product with [1, 0]: 4, 3, 2, 1.
  static std::string Over(const std::string& formula, const std::string& more = "") {
    return R"({"prefetch": {"query": [1, 0], "using": "d"}, "query": {"formula": )" + formula +
           more + "}}";
  }
  TestApplication server_;
  Answer last_;
};

TEST_F(QueryFormsTest, FormulaBoosts) {
  EXPECT_THAT(Scores(Over(R"({"sum": ["$score", 0.5]})")), ElementsAre(4.5, 3.5, 2.5, 1.5));
  EXPECT_THAT(Ids(Over(R"({"sum": ["$score", {"mult": [10,
      {"key": "city", "match": {"value": "Berlin"}}]}]})")),
              ElementsAre(3, 1, 4, 2));
  EXPECT_THAT(Ids(Over(R"({"neg": "$score[0]"})")), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(Ids(Over(R"({"mult": [2, {"must_not": {"has_id": [4, 3]}}, "$score"]})")),
              ElementsAre(2, 1, 3, 4));
  // Over two prefetches, of which the second knows only two points: smaller distances first.
  EXPECT_THAT(Scores(R"({"prefetch": [{"query": [1, 0], "using": "d"},
                                      {"query": [4], "using": "e", "limit": 2}],
      "query": {"formula": {"sum": ["$score", {"mult": [100, "$score[1]"]}, "$score[7]"]},
                "defaults": {"$score[1]": 9, "$score[7]": 0.25}}})"),
              ElementsAre(902.25, 901.25, 103.25, 4.25));
}

TEST_F(QueryFormsTest, FormulaReadsPayloads) {
  EXPECT_THAT(ErrorOf(400, Over(R"("n")")),
              HasSubstr("Wrong input: Expected number value for n in the payload and/or in the "
                        "formula defaults. Error: "));
  EXPECT_THAT(Scores(Over(R"("n[0]")", R"(, "defaults": {"n[0]": 2})")), ::testing::SizeIs(4));
  const auto scores = Scores(Over(
      R"({"gauss_decay": {"x": {"geo_distance": {"origin": {"lon": 13.4, "lat": 52.5},
          "to": "at"}}, "scale": 932000, "midpoint": 0.25}})",
      R"(, "defaults": {"at": {"lon": 13.4, "lat": 52.5}})"));
  // Berlin to London: about 932 km, so about the midpoint.
  EXPECT_THAT(scores, ElementsAre(1, 1, 1, DoubleNear(0.25, 0.01)));
  EXPECT_THAT(Scores(Over(R"({"exp_decay": {"x": {"datetime_key": "day"},
                                "target": {"datetime": "2024-01-01"}, "scale": 86400}})",
                          R"(, "defaults": {"day": "2024-01-02T00:00:00Z"})")),
              ElementsAre(1, 0.5, 0.5, 0.25));
  EXPECT_THAT(Scores(R"({"prefetch": {"query": [1, 0], "using": "d"}, "score_threshold": 1,
      "query": {"formula": {"div": {"left": "$score", "right": 2}}}})"),
              ElementsAre(2, 1.5, 1));
}

TEST_F(QueryFormsTest, FormulaRefusals) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"ln": -1})", "produced a non-finite number"},
      {R"("$scores")", "Invalid reserved variable"},
      {R"({"lin_decay": {"x": 1, "scale": 0}})", "scale should be non-zero positive, got 0"},
      {R"({"gauss_decay": {"x": 1, "midpoint": 1}})", "midpoint should be in the range (0.0, 1.0)"},
      {R"({"div": {"left": 1}})", "missing field `right`"},
      {R"({"sqrt": true})", "[query.formula.sqrt]"},
      {R"({"datetime": "soon"})", "failed to parse date-time soon"},
      {R"({"sum": [1], "mult": [1]})", "mult"},
  };
  for (const auto& [formula, expected] : cases) {
    EXPECT_THAT(ErrorOf(400, Over(formula)), HasSubstr(expected));
  }
  EXPECT_THAT(ErrorOf(400, R"({"query": {"formula": 1}})"), HasSubstr("without prefetches"));
  std::string deep = "1";
  for (int i = 0; i < 70; ++i) deep = R"({"abs": )" + deep + "}";
  EXPECT_THAT(ErrorOf(422, Over(deep)), HasSubstr("nested at most 64 deep"));
}

TEST_F(QueryFormsTest, RelevanceFeedback) {
  // a x + (0.75 - 0.25)^1 c (x(better) - x(worse)) with x the dot product.
  const auto scores = Scores(R"({"using": "d", "query": {"relevance_feedback": {
      "target": [1, 0], "feedback": [{"example": [0, 1], "score": 0.25},
                                     {"example": [0, 2], "score": 0.75}],
      "strategy": {"naive": {"a": 1, "b": 1, "c": 8}}}}})");
  EXPECT_THAT(scores, ElementsAre(7, 2, 1, 0));
  EXPECT_THAT(Ids(R"({"using": "d", "query": {"relevance_feedback": {
      "target": [1, 0], "feedback": [{"example": 4, "score": 1}],
      "strategy": {"naive": {"a": 1, "b": 1, "c": 1}}}}})"),
              ElementsAre(3, 2, 1));
  EXPECT_THAT(ErrorOf(422, R"({"using": "d", "query": {"relevance_feedback": {"target": [1, 0],
      "feedback": [], "strategy": {"naive": {"a": 1, "b": 1, "c": 1}}}}})"),
              HasSubstr("feedback elements must be non-empty"));
  EXPECT_THAT(ErrorOf(422, R"({"using": "d", "query": {"relevance_feedback": {"target": [1, 0],
      "feedback": [{"example": 1, "score": 1}],
      "strategy": {"naive": {"a": 1, "b": -1, "c": 1}}}}})"),
              HasSubstr("value -1.0 invalid, must be 0.0 or larger"));
}

TEST_F(QueryFormsTest, SetsOfQueries) {
  // Products with [1, 0]: 1, 2, 3, 4; with [0, 1]: 0, 0, 1, -1.
  EXPECT_THAT(Scores(R"({"using": "d", "query": {"set": {"all_of": [[1, 0], [0, 1]]}}})"),
              ElementsAre(1, 0, 0, -1));
  EXPECT_THAT(Scores(R"({"using": "d", "query": {"set": {"any_of": [[1, 0], [0, 8]]}}})"),
              ElementsAre(8, 4, 2, 1));
  EXPECT_THAT(Scores(R"({"using": "d", "query": {"set": {
                  "any_of": [{"examples": [[1, 0], [3, 0]]}], "none_of": [[0, 2], [0, 1]]}}})"),
              ElementsAre(8, 4, 4, 2));
  // Points named as examples are no results.
  EXPECT_THAT(Ids(R"({"using": "d", "query": {"set": {"all_of": [4], "none_of": [1]}}})"),
              ElementsAre(3, 2));
  EXPECT_THAT(ErrorOf(422, R"({"using": "d", "query": {"set": {"none_of": [[1, 0]]}}})"),
              HasSubstr("without all_of and any_of"));
}

TEST_F(QueryFormsTest, IdfOverACorpus) {
  // In Berlin: two points with a sparse vector, one of which has term 2.
  const double idf = std::log((2 - 1 + 0.5) / (1 + 0.5) + 1);
  const auto scores = Scores(R"({"using": "s", "query": {"indices": [2], "values": [1]},
      "params": {"idf": {"corpus": {"must": {"key": "city", "match": {"value": "Berlin"}}}}}})");
  EXPECT_THAT(scores, ElementsAre(DoubleNear(idf, 1e-6), DoubleNear(idf, 1e-6)));
  const double all = std::log((3 - 2 + 0.5) / (2 + 0.5) + 1);
  EXPECT_THAT(Scores(R"({"using": "s", "query": {"indices": [2], "values": [1]},
      "params": {"idf": "global"}})"),
              ElementsAre(DoubleNear(all, 1e-6), DoubleNear(all, 1e-6)));
  EXPECT_THAT(ErrorOf(400, R"({"using": "d", "query": [1, 0],
      "params": {"idf": {"corpus": {"must": []}}}})"),
              HasSubstr("no sparse vector with the idf"));
}

TEST_F(QueryFormsTest, PagesReachThroughPrefetches) {
  const auto page = [&](int offset) {
    return Ids(R"({"prefetch": {"query": [1, 0], "using": "d", "limit": 2},
        "query": {"fusion": "rrf"}, "limit": 2, "offset": )" +
               std::to_string(offset) + "}");
  };
  EXPECT_THAT(page(0), ElementsAre(4, 3));
  EXPECT_THAT(page(2), ElementsAre(2, 1));
  EXPECT_THAT(page(4), ElementsAre());
  EXPECT_THAT(Ids(R"({"query": {"sample": "random"}, "offset": 3, "limit": 4})"),
              ::testing::SizeIs(4));
}

TEST_F(QueryFormsTest, PointsNamedInPrefetchesAreLeftOutEverywhere) {
  EXPECT_THAT(Ids(R"({"prefetch": [{"query": 4, "using": "d"}, {"query": [1, 0], "using": "d"}],
                      "query": [1, 0], "using": "d"})"),
              ElementsAre(3, 2, 1));
}

TEST_F(QueryFormsTest, OrderByShowsItsValues) {
  const json points = Query(R"({"query": {"order_by": "n"}})");
  ASSERT_EQ(points.size(), 4u);  // Point 2 once for each of its values.
  EXPECT_EQ(points[0].at("id"), 2);
  EXPECT_EQ(points[0].at("order_value"), 1);
  EXPECT_EQ(points[0].at("score"), 1);
  EXPECT_EQ(points[1].at("id"), 1);
  EXPECT_EQ(points[2].at("id"), 3);
  EXPECT_EQ(points[3].at("order_value"), 5);
  EXPECT_THAT(Ids(R"({"query": {"order_by": {"key": "n", "direction": "desc"}}})"),
              ElementsAre(2, 3, 1, 2));
  EXPECT_THAT(Ids(R"({"query": {"order_by": {"key": "n", "start_from": 3}}})"),
              ElementsAre(1, 3, 2));
  EXPECT_THAT(Ids(R"({"prefetch": {"query": {"order_by": "n"}, "limit": 3},
                      "query": {"fusion": "rrf"}})"),
              ElementsAre(2, 1, 3));
}

TEST_F(QueryFormsTest, ThresholdsNeedScores) {
  EXPECT_THAT(ErrorOf(400, R"({"query": {"order_by": "n"}, "score_threshold": 1})"),
              HasSubstr("Can't use score_threshold with an order_by query."));
  EXPECT_THAT(ErrorOf(400, R"({"score_threshold": 1})"), HasSubstr("A query is needed to use"));
  EXPECT_THAT(ErrorOf(400, R"({"prefetch": {"limit": 1}})"),
              HasSubstr("A query is needed to merge"));
  EXPECT_THAT(
      ErrorOf(400, R"({"prefetch": {"limit": 1}, "using": "d", "query": {"fusion": "rrf"}})"),
      HasSubstr("Fusion queries cannot be combined with the 'using' field."));
  // A prefetch's own threshold: dot products above 2, distances below 3.
  EXPECT_THAT(Ids(R"({"prefetch": [{"query": [1, 0], "using": "d", "score_threshold": 2},
                                   {"query": [1], "using": "e", "score_threshold": 1}],
                      "query": {"rrf": {"weights": [1, 0]}}, "score_threshold": 0.1})"),
              ElementsAre(4, 3));
}

TEST_F(QueryFormsTest, ExplainsHowItWasAnswered) {
  const json result = Do("POST", "/collections/c/points/query", R"({"explain": true, "limit": 2,
      "prefetch": [{"query": [1, 0], "using": "d"},
                   {"query": {"indices": [2], "values": [1]}, "using": "s",
                    "filter": {"must": {"has_id": [2, 4]}}}],
      "query": {"fusion": "rrf"}})");
  const json& legs = result.at("explanation").at("legs");
  ASSERT_EQ(legs.size(), 3u);
  EXPECT_EQ(legs[0].at("path"), "prefetch[0]");
  EXPECT_EQ(legs[0].at("query"), "nearest");
  EXPECT_EQ(legs[0].at("using"), "d");
  EXPECT_EQ(legs[0].at("version"), 0);
  EXPECT_FALSE(legs[0].contains("matches"));
  EXPECT_EQ(legs[0].at("segments")[0].at("rows"), 4);
  EXPECT_EQ(legs[0].at("segments")[0].at("plan"), "scan");
  EXPECT_EQ(legs[0].at("segments")[0].at("reason"), "the segment is growing");
  EXPECT_EQ(legs[1].at("matches"), 2);
  EXPECT_EQ(legs[1].at("segments")[0].at("plan"), "posting lists");
  EXPECT_EQ(legs[1].at("segments")[0].at("matches"), 2);
  EXPECT_EQ(legs[2].at("path"), "query");
  EXPECT_EQ(legs[2].at("found"), 2);
  // Point 2 is first by its sparse vector and third by its dense one; point 4 is first by that.
  EXPECT_EQ(result.at("points")[0].at("id"), 2);
  const json& places = result.at("explanation").at("hits")[0];
  ASSERT_EQ(places.size(), 3u);
  EXPECT_EQ(places[0].at("leg"), "prefetch[0]");
  EXPECT_EQ(places[0].at("rank"), 2);
  EXPECT_EQ(places[0].at("score"), 2);
  EXPECT_EQ(places[1].at("leg"), "prefetch[1]");
  EXPECT_EQ(places[1].at("rank"), 0);
  EXPECT_EQ(places[2].at("rank"), 0);
  EXPECT_EQ(result.at("explanation").at("hits")[1].size(), 2u);
  EXPECT_FALSE(Do("POST", "/collections/c/points/query", "{}").contains("explanation"));
}

TEST_F(QueryFormsTest, LimitsAreNamed) {
  std::string many = "[";
  for (int i = 0; i < 65; ++i) many += R"({"limit": 1},)";
  many.back() = ']';
  EXPECT_THAT(
      ErrorOf(422, R"({"query": {"fusion": "rrf"}, "prefetch": )" + many + "}"),
      HasSubstr("[prefetch: value of 65 prefetches invalid, must be a list of at most 64]"));
  std::string examples = "[";
  for (int i = 0; i < 1025; ++i) examples += "1,";
  examples.back() = ']';
  EXPECT_THAT(ErrorOf(422, R"({"query": {"recommend": {"positive": )" + examples + "}}}"),
              HasSubstr("value of 1025 examples invalid, must be a list of at most 1024"));
  EXPECT_THAT(ErrorOf(422, R"({"query": {"nearest": [1, 0], "mmr": {"candidates_limit": 16385}}})"),
              HasSubstr("candidates_limit"));
  std::string searches = "[";
  for (int i = 0; i < 4097; ++i) searches += "{},";
  searches.back() = ']';
  EXPECT_THAT(
      ErrorOf(422, R"({"searches": )" + searches + "}", "/collections/c/points/query/batch"),
      HasSubstr("of 4097 searches invalid, must be a list of at most 4096"));
  EXPECT_EQ(Query(R"({"query": [1, 0], "using": "d", "limit": 18446744073709551615,
                      "offset": 1})")
                .size(),
            3u);
}

TEST_F(QueryFormsTest, AScoreThatWasAnsweredCanBeTheThreshold) {
  Do("PUT", "/collections/c/points", R"({"points": [
      {"id": 5, "vector": {"d": [0.45, 0]}}, {"id": 6, "vector": {"d": [0.1, 0]}}]})");
  const std::string ranks = R"("prefetch": [{"query": [1, 0], "using": "d", "limit": 3},
      {"query": [1, 9], "using": "d", "limit": 3}], "query": {"fusion": "rrf"})";
  const std::vector<double> scores = Scores("{" + ranks + "}");
  for (size_t i = 0; i < scores.size(); ++i) {
    const auto kept =
        Scores("{" + ranks + ", \"score_threshold\": " + json(scores[i]).dump() + "}");
    EXPECT_GE(kept.size(), i + 1) << scores[i];
    EXPECT_EQ(kept.back(), scores[i]);
  }
  // On a search by vector the threshold itself is left out.
  const auto above = R"({"query": [1, 0], "using": "d", "score_threshold": 0.45})";
  EXPECT_THAT(Ids(above), ElementsAre(4, 3, 2, 1));
}

}  // namespace
}  // namespace almagest
