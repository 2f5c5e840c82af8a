// Multi-vectors through the API: settings, points, queries, refusals, snapshots.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class MultiVectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Do("PUT", "/collections/c", R"({"vectors": {
        "d": {"size": 2, "distance": "Dot"},
        "m": {"size": 2, "distance": "Dot", "on_disk": true, "hnsw_config": {"m": 0},
              "multivector_config": {"comparator": "max_sim"}},
        "e": {"size": 2, "distance": "Euclid", "multivector_config": {"comparator": "max_sim"}}}})");
    Do("PUT", "/collections/c/points", R"({"points": [
        {"id": 1, "vector": {"d": [1, 0], "m": [[1, 0], [0, 1]], "e": [[0, 0], [3, 4]]},
         "payload": {"city": "Berlin"}},
        {"id": 2, "vector": {"d": [2, 0], "m": [[3, 0], [0, -1], [1, 1]], "e": [[6, 8]]},
         "payload": {"city": "London"}},
        {"id": 3, "vector": {"d": [3, 0], "m": [2, 2]}, "payload": {"city": "Berlin"}},
        {"id": 4, "vector": {"d": [4, 0]}}]})");
  }
  json Do(const std::string& method, const std::string& target, const std::string& body = "") {
    last_ = server_.Call(method, target, body);
    EXPECT_EQ(last_.status, 200u) << method << " " << target << ": " << last_.text;
    return last_.status == 200 ? last_.result() : json();
  }
  std::string ErrorOf(unsigned status, const std::string& method, const std::string& target,
                      const std::string& body) {
    last_ = server_.Call(method, target, body);
    EXPECT_EQ(last_.status, status) << body << ": " << last_.text;
    return last_.status >= 400 ? last_.error() : last_.text;
  }
  std::string UpsertError(unsigned status, const std::string& vector) {
    return ErrorOf(status, "PUT", "/collections/c/points",
                   R"({"points": [{"id": 9, "vector": )" + vector + "}]}");
  }
  std::string QueryError(unsigned status, const std::string& body) {
    return ErrorOf(status, "POST", "/collections/c/points/query", body);
  }
  // [[id, score], ...]
  json Query(const std::string& body) {
    json pairs = json::array();
    const json result = Do("POST", "/collections/c/points/query", body);
    if (!result.is_object()) return pairs;
    for (const json& point : result.at("points")) {
      pairs.push_back({point.at("id"), point.at("score")});
    }
    return pairs;
  }
  json VectorsOf(int id) {
    return Do("GET", "/collections/c/points/" + std::to_string(id)).at("vector");
  }
  TestApplication server_;
  Answer last_;
};

TEST_F(MultiVectorTest, SettingsAreShownAndChanged) {
  const json config = Do("GET", "/collections/c").at("config");
  const json multi = config.at("params").at("vectors").at("m");
  EXPECT_EQ(multi.at("multivector_config"), json({{"comparator", "max_sim"}}));
  EXPECT_EQ(multi.at("hnsw_config"), json({{"m", 0}}));
  EXPECT_FALSE(config.at("params").at("vectors").at("d").contains("multivector_config"));
  EXPECT_EQ(config.at("hnsw_config").at("m"), 16);
  // Settings of the collection are those of the vectors that can have them.
  Do("PATCH", "/collections/c", R"({"hnsw_config": {"m": 8},
      "quantization_config": {"scalar": {"type": "int8"}},
      "vectors": {"m": {"hnsw_config": {"m": 0}, "quantization_config": "Disabled"}}})");
  EXPECT_EQ(Do("GET", "/collections/c").at("config").at("hnsw_config").at("m"), 8);
  EXPECT_THAT(Query(R"({"query": [[1, 0]], "using": "m", "limit": 1})").dump(), "[[2,3]]");

  const auto refused = [&](const std::string& vector) {
    return ErrorOf(400, "PUT", "/collections/x",
                   R"({"vectors": {"m": {"size": 2, "distance": "Dot", )" + vector + "}}}");
  };
  const std::string max_sim = R"("multivector_config": {"comparator": "max_sim"}, )";
  EXPECT_THAT(refused(max_sim + R"("hnsw_config": {"m": 16})"),
              HasSubstr("`vectors.m.hnsw_config.m` is not supported: multi-vectors"));
  EXPECT_THAT(refused(max_sim + R"("hnsw_config": {"ef_construct": 64})"),
              HasSubstr("`vectors.m.hnsw_config.ef_construct` is not supported"));
  EXPECT_THAT(refused(max_sim + R"("quantization_config": {"binary": {}})"),
              HasSubstr("`vectors.m.quantization_config` is not supported"));
  EXPECT_THAT(refused(R"("multivector_config": {"comparator": "min_sim"})"),
              HasSubstr("vectors.m.multivector_config.comparator"));
  EXPECT_THAT(refused(R"("multivector_config": {})"), HasSubstr("missing field `comparator`"));
  EXPECT_THAT(
      ErrorOf(400, "PATCH", "/collections/c", R"({"vectors": {"m": {"hnsw_config": {"m": 16}}}})"),
      HasSubstr("`vectors.m.hnsw_config.m` is not supported"));
  // Rows of halves.
  Do("PUT", "/collections/h", R"({"vectors": {"size": 1, "distance": "Dot",
      "datatype": "float16", "multivector_config": {"comparator": "max_sim"}}})");
  Do("PUT", "/collections/h/points", R"({"points": [{"id": 1, "vector": [[0.1], [2049]]}]})");
  EXPECT_EQ(Do("GET", "/collections/h/points/1").at("vector").dump(), "[[0.099975586],[2048]]");
}

TEST_F(MultiVectorTest, TheUnnamedVectorAndALiveOne) {
  Do("PUT", "/collections/u", R"({"vectors": {"size": 2, "distance": "Cosine",
      "multivector_config": {"comparator": "max_sim"}}})");
  Do("PUT", "/collections/u/points", R"({"points": [{"id": 1, "vector": [[3, 4], [0, 2]]},
                                                    {"id": 2, "vector": [5, 0]}]})");
  Do("PUT", "/collections/u/points",
     R"({"batch": {"ids": [3, 4, 5], "vectors": [[[0, 9], [0, 0]], [1, 0], null]}})");
  EXPECT_EQ(Do("GET", "/collections/u/points/1").at("vector"), json::parse("[[0.6,0.8],[0,1]]"));
  const json page = Do("POST", "/collections/u/points/scroll", R"({"with_vector": true})");
  EXPECT_EQ(page.at("points")[1].at("vector"), json::parse("[[1,0]]"));
  EXPECT_EQ(page.at("points")[2].at("vector"), json::parse("[[0,1],[0,0]]"));
  EXPECT_EQ(page.at("points")[4].at("vector"), json::object());
  const json found = Do("POST", "/collections/u/points/query", R"({"query": [[0, 7]]})");
  EXPECT_EQ(found.at("points")[0].at("id"), 1);
  EXPECT_EQ(found.at("points")[0].at("score"), 1.0);

  Do("PUT", "/collections/u/vectors/live", R"({"dense": {"size": 1, "distance": "Manhattan",
      "multivector_config": {"comparator": "max_sim"}}})");
  Do("PUT", "/collections/u/vectors/live", R"({"dense": {"size": 1, "distance": "Manhattan",
      "multivector_config": {"comparator": "max_sim"}}})");
  EXPECT_THAT(ErrorOf(409, "PUT", "/collections/u/vectors/live",
                      R"({"dense": {"size": 1, "distance": "Manhattan"}})"),
              HasSubstr("already exists"));
  Do("PUT", "/collections/u/points/vectors",
     R"({"points": [{"id": 1, "vector": {"live": [[1], [5]]}}, {"id": 2, "vector": {"live": [9]}}]})");
  const json live = Do("POST", "/collections/u/points/query",
                       R"({"query": [[2], [6]], "using": "live", "with_vector": ["live"]})");
  EXPECT_EQ(live.at("points")[0].at("score"), 2.0);
  EXPECT_EQ(live.at("points")[0].at("vector"), json::parse(R"({"live": [[1], [5]]})"));
  EXPECT_EQ(live.at("points")[1].at("score"), 10.0);
  Do("DELETE", "/collections/u/vectors/live");
  EXPECT_FALSE(Do("GET", "/collections/u/points/2").at("vector").contains("live"));
}

TEST_F(MultiVectorTest, PointsKeepTheirRows) {
  EXPECT_EQ(VectorsOf(2).at("m"), json::parse("[[3,0],[0,-1],[1,1]]"));
  EXPECT_EQ(VectorsOf(3).at("m"), json::parse("[[2,2]]"));
  EXPECT_FALSE(VectorsOf(4).contains("m"));
  Do("PUT", "/collections/c/points/vectors",
     R"({"points": [{"id": 3, "vector": {"m": [[7, 0], [0, 7]]}}]})");
  EXPECT_EQ(VectorsOf(3).at("m"), json::parse("[[7,0],[0,7]]"));
  EXPECT_EQ(VectorsOf(3).at("d"), json::parse("[3,0]"));
  Do("POST", "/collections/c/points/vectors/delete", R"({"points": [1, 3], "vector": ["m"]})");
  EXPECT_FALSE(VectorsOf(3).contains("m"));
  EXPECT_EQ(Query(R"({"query": [[1, 0]], "using": "m"})"), json::parse("[[2, 3]]"));
  EXPECT_EQ(
      Do("POST", "/collections/c/points/count", R"({"filter": {"must": {"has_vector": "m"}}})")
          .at("count"),
      1);
}

TEST_F(MultiVectorTest, NearestIsMaxSim) {
  EXPECT_EQ(Query(R"({"query": [[1, 0], [0, 1]], "using": "m"})"),
            json::parse("[[2, 4], [3, 4], [1, 2]]"));
  EXPECT_EQ(Query(R"({"query": [1, 0], "using": "m"})"), json::parse("[[2, 3], [3, 2], [1, 1]]"));
  EXPECT_EQ(Query(R"({"query": 1, "using": "m"})"), json::parse("[[2, 4], [3, 4]]"));
  EXPECT_EQ(Query(R"({"query": [[1, 0], [0, 1]], "using": "m", "score_threshold": 2})"),
            json::parse("[[2, 4], [3, 4]]"));
  EXPECT_EQ(Query(R"({"query": [[1, 0], [0, 1]], "using": "m", "offset": 1, "limit": 1,
                      "filter": {"must": {"key": "city", "match": {"value": "Berlin"}}}})"),
            json::parse("[[1, 2]]"));
  // The root of the sum of the smallest squares.
  EXPECT_EQ(Query(R"({"query": [[3, 4], [0, 0]], "using": "e"})")[0], json::parse("[1, 0]"));
  EXPECT_EQ(Query(R"({"query": [[3, 4]], "using": "e"})"), json::parse("[[1, 0], [2, 5]]"));
  EXPECT_EQ(Query(R"({"query": [[3, 4]], "using": "e", "score_threshold": 5})"),
            json::parse("[[1, 0]]"));
}

TEST_F(MultiVectorTest, RescoresAndFusesPrefetches) {
  EXPECT_EQ(Query(R"({"prefetch": {"query": [1, 0], "using": "d", "limit": 3},
                      "query": [[1, 0], [0, 1]], "using": "m", "limit": 10})"),
            json::parse("[[2, 4], [3, 4]]"));
  const json fused = Query(R"({"prefetch": [{"query": [1, 0], "using": "d"},
                                            {"query": [[1, 0]], "using": "m"}],
                               "query": {"fusion": "rrf"}})");
  EXPECT_EQ(fused[0][0], 2);  // Third and first.
  EXPECT_EQ(fused.size(), 4u);
  const json explained = Do("POST", "/collections/c/points/query",
                            R"({"prefetch": {"query": [1, 0], "using": "d", "limit": 3},
                                "query": [[1, 0]], "using": "m", "explain": true})");
  const std::string text = explained.dump();
  EXPECT_THAT(text, HasSubstr("scan of matches"));
  EXPECT_THAT(text, HasSubstr("multi-vectors have no graph"));
}

TEST_F(MultiVectorTest, QueriesByExample) {
  // Rows of the positive ones, and those of the negative ones turned round: the sum over all.
  EXPECT_EQ(Query(R"({"query": {"recommend": {"positive": [[[1, 0]], [0, 1]],
                      "negative": [[[1, 0]]]}}, "using": "m"})"),
            json::parse("[[2, 4], [1, 2], [3, 2]]"));
  EXPECT_EQ(Query(R"({"query": {"recommend": {"positive": [[[1, 0]]], "negative": [[[0, 1]]],
                      "strategy": "sum_scores"}}, "using": "m"})"),
            json::parse("[[2, 2], [1, 0], [3, 0]]"));
  EXPECT_EQ(Query(R"({"query": {"recommend": {"positive": [1], "strategy": "best_score"}},
                      "using": "m"})")[0][0],
            2);
  EXPECT_EQ(Query(R"({"query": {"discover": {"target": [[0, 1]],
                      "context": [{"positive": [[1, 0]], "negative": 1}]}}, "using": "m"})")
                .size(),
            2u);
  EXPECT_EQ(Query(R"({"query": {"context": [{"positive": [[5, 0]], "negative": [[0, 1]]}]},
                      "using": "m"})"),
            json::parse("[[1, 0], [2, 0], [3, 0]]"));
  const json diverse = Query(R"({"query": {"nearest": [[1, 0], [0, 1]],
                                 "mmr": {"diversity": 1, "candidates_limit": 3}},
                                 "using": "m", "limit": 2})");
  // First the nearest one, then what resembles it least: point 1 looks for 3 and 1 in point 2, and
  // point 3 for 6.
  EXPECT_EQ(diverse[0][0], 2);
  EXPECT_EQ(diverse[1][0], 1);
  Do("PUT", "/collections/other", R"({"vectors": {"size": 2, "distance": "Dot",
      "multivector_config": {"comparator": "max_sim"}}})");
  Do("PUT", "/collections/other/points", R"({"points": [{"id": 1, "vector": [[1, 0], [0, 1]]}]})");
  EXPECT_EQ(Query(R"({"query": 1, "using": "m", "lookup_from": {"collection": "other",
                      "vector": ""}})")
                .size(),
            3u);
}

TEST_F(MultiVectorTest, GroupsBatchesAndTheMatrix) {
  const json groups = Do("POST", "/collections/c/points/query/groups",
                         R"({"query": [[1, 0], [0, 1]], "using": "m", "group_by": "city",
                             "group_size": 1})")
                          .at("groups");
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].at("id"), "London");
  EXPECT_EQ(groups[1].at("hits")[0].at("id"), 3);
  const json batch = Do("POST", "/collections/c/points/query/batch",
                        R"({"searches": [{"query": [[1, 0]], "using": "m", "limit": 1},
                                         {"query": [[0, 1]], "using": "m", "limit": 1}]})");
  EXPECT_EQ(batch[0].at("points")[0].at("id"), 2);
  EXPECT_EQ(batch[1].at("points")[0].at("id"), 3);
  const json pairs =
      Do("POST", "/collections/c/points/search/matrix/pairs", R"({"using": "m", "limit": 1})")
          .at("pairs");
  EXPECT_EQ(pairs.size(), 3u);
  const json searched = Do("POST", "/collections/c/points/search",
                           R"({"vector": {"name": "m", "vector": [1, 0]}, "limit": 1})");
  EXPECT_EQ(searched[0].at("id"), 2);
  const json recommended = Do("POST", "/collections/c/points/recommend",
                              R"({"positive": [1], "using": "m", "limit": 1})");
  EXPECT_EQ(recommended[0].at("id"), 2);
}

TEST_F(MultiVectorTest, RefusesWhatDoesNotFit) {
  EXPECT_THAT(UpsertError(400, R"({"m": []})"),
              HasSubstr("Wrong input: Vector dimension error: expected dim: 2, got 0"));
  EXPECT_THAT(UpsertError(422, R"({"m": [[]]})"),
              HasSubstr("Validation error in JSON body: [points[0].vector.?.data: all vectors must "
                        "be non-empty] at points[0].vector.m[0]"));
  EXPECT_THAT(UpsertError(422, R"({"m": [[1, 2], []]})"), HasSubstr("points[0].vector.m[1]"));
  EXPECT_THAT(UpsertError(422, R"({"m": [[1, 2], [1]]})"),
              HasSubstr("[points[0].vector.?.data: all vectors must have the same dimension, found "
                        "vector with dimension 1"));
  EXPECT_THAT(UpsertError(400, R"({"m": [[1, 2, 3]]})"),
              HasSubstr("Wrong input: Vector dimension error: expected dim: 2, got 3"));
  EXPECT_THAT(UpsertError(422, R"({"m": [[1, 1e39]]})"), HasSubstr("points[0].vector.m[0][1]"));
  EXPECT_THAT(UpsertError(400, R"({"m": [[1, 2], 3]})"), HasSubstr("points[0].vector.m[1]"));
  EXPECT_THAT(UpsertError(400, R"({"m": [[[1, 2]]]})"), HasSubstr("points[0].vector.m[0][0]"));
  EXPECT_THAT(UpsertError(400, R"({"m": {"indices": [1], "values": [1]}})"), HasSubstr("'m'"));
  EXPECT_THAT(UpsertError(400, R"({"d": [[1, 2]]})"),
              HasSubstr("Wrong input: Conversion between multi and regular vectors failed: vector "
                        "'d' of point 9"));
  std::string large = "[[1,2]";
  for (size_t row = 1; row <= kMultiVectorValuesMax / 2; ++row) large += ",[1,2]";
  large += "]";
  EXPECT_THAT(UpsertError(422, R"({"m": )" + large + "}"),
              HasSubstr("Total size of all vectors (1048576) must be less than 1048576"));
  EXPECT_EQ(server_.Call("GET", "/collections/c/points/9").status, 404u);

  EXPECT_THAT(QueryError(422, R"({"query": [[1, 2], [1]], "using": "m"})"),
              HasSubstr("must have the same dimension"));
  EXPECT_THAT(QueryError(400, R"({"query": [[1, 2, 3]], "using": "m"})"),
              HasSubstr("expected dim: 2, got 3"));
  EXPECT_THAT(QueryError(400, R"({"query": [1], "using": "m"})"),
              HasSubstr("expected dim: 2, got 1"));
  EXPECT_THAT(QueryError(400, R"({"query": [[1, 2]], "using": "d"})"),
              HasSubstr("Conversion between multi and regular vectors failed"));
  EXPECT_THAT(QueryError(404, R"({"query": 4, "using": "m"})"), HasSubstr("has no vector 'm'"));
  for (const auto& [path, body] : std::vector<std::pair<std::string, std::string>>{
           {"search", R"({"vector": [[1, 2]], "limit": 1})"},
           {"search", R"({"vector": {"name": "m", "vector": [[1, 2]]}, "limit": 1})"},
           {"recommend", R"({"positive": [[[1, 2]]], "using": "m", "limit": 1})"},
           {"discover", R"({"target": [[1, 2]], "using": "m", "limit": 1})"},
           {"discover", R"({"context": [{"positive": 1, "negative": [[1, 2]]}], "limit": 1})"}}) {
    EXPECT_THAT(ErrorOf(400, "POST", "/collections/c/points/" + path, body),
                HasSubstr("untagged enum NamedVectorStruct"));
  }
}

TEST_F(MultiVectorTest, IsNotAdapted) {
  EXPECT_THAT(ErrorOf(409, "POST", "/collections/c/adaptations", R"({"using": "m"})"),
              HasSubstr("'m' is a multi-vector"));
  EXPECT_THAT(ErrorOf(400, "GET", "/collections/c/versions?using=m", ""),
              HasSubstr("'m' is a multi-vector"));
  EXPECT_THAT(ErrorOf(400, "POST", "/collections/c/feedback",
                      R"({"query": {"vector": [1, 0]}, "using": "m",
                          "clicks": [{"id": 1, "rank": 1}]})"),
              HasSubstr("multi-vector"));
}

TEST_F(MultiVectorTest, ASnapshotHasThem) {
  const std::string name =
      Do("POST", "/collections/c/snapshots?wait=true").at("name").get<std::string>();
  Do("POST", "/collections/c/points/delete", R"({"points": [1, 2, 3]})");
  const auto folder = server_.folder() / "data" / "snapshots" / "collections" / "c";
  const std::string location = "file://" + (folder / name).string();
  Do("PUT", "/collections/c/snapshots/recover?wait=true", json({{"location", location}}).dump());
  EXPECT_EQ(VectorsOf(2).at("m"), json::parse("[[3,0],[0,-1],[1,1]]"));
  EXPECT_EQ(Query(R"({"query": [[1, 0], [0, 1]], "using": "m"})").size(), 3u);
}

}  // namespace
}  // namespace almagest
