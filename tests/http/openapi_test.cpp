// docs/openapi.yaml describes the routes that there are, and answers look as it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/http/openapi_schema.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;

const OpenApi& Document() {
  static const OpenApi document(LoadYaml(ALMAGEST_OPENAPI));
  return document;
}

TEST(OpenApiDocument, DescribesEveryRouteAndNoOther) {
  std::vector<std::string> routes;
  for (const Route& route : Routes()) {
    routes.push_back(std::string(route.method) + " " + std::string(route.pattern));
  }
  EXPECT_THAT(Document().Operations(), ::testing::UnorderedElementsAreArray(routes));
}

TEST(OpenApiDocument, ReferencesLeadSomewhere) {
  EXPECT_THAT(Document().DanglingReferences(), ::testing::IsEmpty());
}

TEST(OpenApiSchema, TheValidatorFindsFaults) {
  const auto faults = [](const char* body) {
    return Document()
        .Check("POST", "/collections/{collection}/points/count", 200, json::parse(body))
        .size();
  };
  EXPECT_EQ(faults(R"({"result": {"count": 3}, "status": "ok", "time": 0.1})"), 0u);
  EXPECT_EQ(faults(R"({"result": {"count": -3}, "status": "ok", "time": 0.1})"), 1u);
  EXPECT_EQ(faults(R"({"result": {"count": "3"}, "status": "ok", "time": 0.1})"), 1u);
  EXPECT_EQ(faults(R"({"result": {}, "status": "fine"})"), 3u);
}

struct Step {
  const char* method;
  const char* pattern;
  const char* target;
  const char* body;
  unsigned status;
};

TEST(OpenApiScenario, AnswersLookAsDescribed) {
  constexpr const char* kCollection = "/collections/{collection}";
  constexpr const char* kPoints = "/collections/{collection}/points";
  const Step steps[] = {
      {"GET", "/", "/", "", 200},
      {"PUT", kCollection, "/collections/c",
       R"({"vectors": {"d": {"size": 2, "distance": "Cosine"}}, "sparse_vectors": {"s": {}}})",
       200},
      {"PUT", kCollection, "/collections/c", "{}", 409},
      {"PATCH", kCollection, "/collections/c", R"({"almagest": {"seal_rows": 100}})", 200},
      {"GET", kCollection, "/collections/c", "", 200},
      {"GET", kCollection, "/collections/absent", "", 404},
      {"GET", "/collections", "/collections", "", 200},
      {"GET", "/collections/{collection}/exists", "/collections/c/exists", "", 200},
      {"PUT", "/collections/{collection}/index", "/collections/c/index",
       R"({"field_name": "n", "field_schema": "integer"})", 200},
      {"PUT", "/collections/{collection}/index", "/collections/c/index",
       R"({"field_name": "t", "field_schema": {"type": "text", "stopwords": "english"}})", 200},
      {"PATCH", kCollection, "/collections/c",
       R"({"strict_mode_config": {"enabled": true, "max_query_limit": 100}})", 200},
      {"GET", kCollection, "/collections/c", "", 200},
      {"POST", "/collections/aliases", "/collections/aliases",
       R"({"actions": [{"create_alias": {"collection_name": "c", "alias_name": "other"}}]})", 200},
      {"GET", "/aliases", "/aliases", "", 200},
      {"PUT", "/collections/{collection}/vectors/{vector}", "/collections/c/vectors/e",
       R"({"dense": {"size": 3, "distance": "Dot"}})", 200},
      {"DELETE", "/collections/{collection}/vectors/{vector}", "/collections/c/vectors/e", "", 200},
      {"POST", "/collections/{collection}/snapshots", "/collections/c/snapshots", "", 200},
      {"POST", "/collections/{collection}/snapshots", "/collections/c/snapshots?wait=false", "",
       202},
      {"GET", "/collections/{collection}/snapshots", "/collections/c/snapshots", "", 200},
      {"GET", "/collections/{collection}/snapshots/{snapshot}", "/collections/c/snapshots/none", "",
       404},
      {"DELETE", "/collections/{collection}/snapshots/{snapshot}", "/collections/c/snapshots/none",
       "", 404},
      {"PUT", "/collections/{collection}/snapshots/recover", "/collections/c/snapshots/recover",
       R"({"location": "file:///etc/passwd"})", 403},
      {"POST", "/collections/{collection}/snapshots/upload", "/collections/c/snapshots/upload",
       "{}", 415},
      {"POST", "/snapshots", "/snapshots", "", 200},
      {"GET", "/snapshots", "/snapshots", "", 200},
      {"GET", "/snapshots/{snapshot}", "/snapshots/none", "", 404},
      {"DELETE", "/snapshots/{snapshot}", "/snapshots/none", "", 404},
      {"GET", "/cluster", "/cluster", "", 200},
      {"POST", "/cluster/recover", "/cluster/recover", "", 405},
      {"DELETE", "/cluster/peer/{peer}", "/cluster/peer/1", "", 405},
      {"GET", "/collections/{collection}/cluster", "/collections/c/cluster", "", 200},
      {"POST", "/collections/{collection}/cluster", "/collections/c/cluster", "{}", 405},
      {"GET", "/collections/{collection}/shards", "/collections/c/shards", "", 200},
      {"PUT", "/collections/{collection}/shards", "/collections/c/shards", "{}", 405},
      {"POST", "/collections/{collection}/shards/delete", "/collections/c/shards/delete", "{}",
       405},
      {"GET", "/telemetry", "/telemetry?details_level=9", "", 200},
      {"GET", "/issues", "/issues", "", 200},
      {"DELETE", "/issues", "/issues", "", 200},
      {"GET", "/collections/{collection}/aliases", "/collections/other/aliases", "", 200},
      {"PUT", kPoints, "/collections/c/points?wait=true",
       R"({"points": [{"id": 1, "vector": {"d": [1, 0]}, "payload": {"n": 1}},
                      {"id": "550e8400-e29b-41d4-a716-446655440000", "vector": {"d": [0, 1],
                       "s": {"indices": [1], "values": [1]}}, "payload": {"n": 2}}]})",
       200},
      {"PUT", kPoints, "/collections/c/points", R"({"points": [{"id": -1}]})", 400},
      {"POST", kPoints, "/collections/c/points", R"({"ids": [1], "with_vector": true})", 200},
      {"GET", "/collections/{collection}/points/{id}", "/collections/c/points/1", "", 200},
      {"GET", "/collections/{collection}/points/{id}", "/collections/c/points/9", "", 404},
      {"POST", "/collections/{collection}/points/payload", "/collections/c/points/payload",
       R"({"points": [1], "payload": {"a": 1}})", 200},
      {"POST", "/collections/{collection}/points/batch", "/collections/c/points/batch",
       R"({"operations": [{"set_payload": {"points": [1], "payload": {"a": 2}}}]})", 200},
      {"POST", "/collections/{collection}/points/scroll", "/collections/c/points/scroll",
       R"({"limit": 1, "with_vector": true})", 200},
      {"POST", "/collections/{collection}/points/scroll", "/collections/c/points/scroll",
       R"({"order_by": "n"})", 200},
      {"POST", "/collections/{collection}/points/count", "/collections/c/points/count", "{}", 200},
      {"POST", "/collections/{collection}/points/query", "/collections/c/points/query",
       R"({"prefetch": {"query": [1, 0], "using": "d"}, "query": {"formula": "$score"},
           "explain": true})",
       200},
      {"POST", "/collections/{collection}/points/query", "/collections/c/points/query",
       R"({"prefetch": [{"query": [1, 0], "using": "d"},
                        {"query": {"indices": [1], "values": [1]}, "using": "s"}],
           "query": {"fusion": "learned"}, "explain": true})",
       200},
      {"GET", "/collections/{collection}/learning", "/collections/c/learning", "", 200},
      {"PUT", "/collections/{collection}/learning", "/collections/c/learning",
       R"({"automatic": true, "min_new_events": 20, "min_hours": 0.5,
           "exploration": {"slots": 1, "rate": 1}, "quiet_hours": {"from": 22, "until": 6},
           "trial": {"mode": "interleave", "version": 0, "rate": 0.5}})",
       200},
      {"PUT", "/collections/{collection}/learning", "/collections/c/learning",
       R"({"rollback_sigmas": 0})", 422},
      {"PUT", "/collections/{collection}/learning", "/collections/c/learning",
       R"({"automtic": true})", 400},
      {"POST", "/collections/{collection}/points/query", "/collections/c/points/query",
       R"({"query": [1, 0], "using": "d", "with_payload": true, "with_vector": true})", 200},
      {"POST", "/collections/{collection}/points/query", "/collections/c/points/query",
       R"({"query": [1, 0], "using": "d", "explain": true})", 200},
      {"POST", "/collections/{collection}/points/query", "/collections/c/points/query",
       R"({"query": [1, 0], "using": "d", "limit": 0})", 422},
      {"POST", "/collections/{collection}/points/query/batch", "/collections/c/points/query/batch",
       R"({"searches": [{"query": [1, 0], "using": "d"}]})", 200},
      {"POST", "/collections/{collection}/points/search", "/collections/c/points/search",
       R"({"vector": {"name": "d", "vector": [1, 0]}, "limit": 1})", 200},
      {"POST", "/collections/{collection}/points/search/batch",
       "/collections/c/points/search/batch",
       R"({"searches": [{"vector": {"name": "d", "vector": [1, 0]}, "limit": 1}]})", 200},
      {"POST", "/collections/{collection}/points/recommend", "/collections/c/points/recommend",
       R"({"positive": [[1, 0]], "using": "d", "limit": 1})", 200},
      {"POST", "/collections/{collection}/points/recommend/batch",
       "/collections/c/points/recommend/batch",
       R"({"searches": [{"positive": [1], "strategy": "best_score", "using": "d", "limit": 1}]})",
       200},
      {"POST", "/collections/{collection}/points/discover", "/collections/c/points/discover",
       R"({"target": 1, "context": [{"positive": [1, 0], "negative": [0, 1]}], "using": "d",
           "limit": 1})",
       200},
      {"POST", "/collections/{collection}/points/discover/batch",
       "/collections/c/points/discover/batch",
       R"({"searches": [{"context": [{"positive": [1, 0], "negative": [0, 1]}], "using": "d",
           "limit": 1}]})",
       200},
      {"POST", "/collections/{collection}/points/query/groups",
       "/collections/c/points/query/groups",
       R"({"query": [1, 0], "using": "d", "group_by": "n", "with_lookup": "c"})", 200},
      {"POST", "/collections/{collection}/points/search/groups",
       "/collections/c/points/search/groups",
       R"({"vector": {"name": "d", "vector": [1, 0]}, "group_by": "n", "limit": 2,
           "group_size": 1})",
       200},
      {"POST", "/collections/{collection}/points/recommend/groups",
       "/collections/c/points/recommend/groups",
       R"({"positive": [[1, 0]], "using": "d", "group_by": "n", "limit": 2, "group_size": 1})",
       200},
      {"POST", "/collections/{collection}/facet", "/collections/c/facet", R"({"key": "n"})", 200},
      {"POST", "/collections/{collection}/points/search/matrix/pairs",
       "/collections/c/points/search/matrix/pairs", R"({"using": "d"})", 200},
      {"POST", "/collections/{collection}/points/search/matrix/offsets",
       "/collections/c/points/search/matrix/offsets", R"({"using": "d", "sample": 5})", 200},
      {"POST", "/collections/{collection}/feedback", "/collections/c/feedback",
       R"({"query": {"vector": [1, 0]}, "using": "d", "user": "u", "weight": 2,
           "impressions": [{"id": 1, "rank": 1}], "clicks": [{"id": 1, "rank": 1}],
           "grades": [{"id": 1, "grade": 3}], "negatives":
           ["550e8400-e29b-41d4-a716-446655440000"], "preferences":
           [{"preferred": 1, "over": "550e8400-e29b-41d4-a716-446655440000"}]})",
       200},
      {"GET", "/collections/{collection}/feedback", "/collections/c/feedback?with_vector=true", "",
       200},
      {"POST", "/collections/{collection}/adaptations", "/collections/c/adaptations",
       R"({"using": "d"})", 409},
      {"GET", "/jobs", "/jobs", "", 200},
      {"GET", "/jobs/{job}", "/jobs/none", "", 404},
      {"POST", "/collections/{collection}/bridges", "/collections/c/bridges",
       R"({"from": "d", "to": "d"})", 400},
      {"GET", "/collections/{collection}/bridges", "/collections/c/bridges", "", 200},
      {"POST", "/collections/{collection}/bridges/{bridge}/activate",
       "/collections/c/bridges/1/activate", "", 404},
      {"POST", "/collections/{collection}/bridges/{bridge}/deactivate",
       "/collections/c/bridges/1/deactivate", "", 404},
      {"DELETE", "/collections/{collection}/bridges/{bridge}", "/collections/c/bridges/1", "", 404},
      {"GET", "/collections/{collection}/versions",
       "/collections/c/versions?using=d&offset=4&limit=1", "", 200},
      {"GET", "/collections/{collection}/versions/{version}", "/collections/c/versions/0?using=d",
       "", 200},
      {"GET", "/collections/{collection}/versions/{version}", "/collections/c/versions/4?using=d",
       "", 404},
      {"POST", "/collections/{collection}/versions/{version}/activate",
       "/collections/c/versions/0/activate?using=d", "", 200},
      {"POST", "/collections/{collection}/versions/{version}/activate",
       "/collections/c/versions/4/activate?using=d", "", 404},
      {"GET", "/collections/{collection}/reembedding", "/collections/c/reembedding", "", 200},
      {"POST", "/collections/{collection}/reembedding", "/collections/c/reembedding",
       R"({"paused": true})", 200},
      {"POST", "/collections/{collection}/evaluate", "/collections/c/evaluate",
       R"({"queries": [{"vectors": {"v": [1, 0]}, "judgements": [{"id": 1, "grade": 2}]}],
           "modes": {"dense": {"query": {"$vector": "v"}, "using": "d"}}, "versions": [0],
           "per_query": true, "compare": [0, 0]})",
       200},
      {"POST", "/collections/{collection}/evaluate/clicks", "/collections/c/evaluate/clicks",
       R"({"using": "d", "versions": [0], "k": 5, "clip": 50, "position_bias": 0.5})", 200},
      {"POST", "/collections/{collection}/evaluate/clicks", "/collections/c/evaluate/clicks",
       R"({"using": "d", "versions": [7]})", 404},
      {"POST", "/collections/{collection}/feedback/delete", "/collections/c/feedback/delete",
       R"({"all": true})", 200},
      {"POST", "/collections/{collection}/points/delete", "/collections/c/points/delete",
       R"({"points": [1]})", 200},
      {"DELETE", "/collections/{collection}/index/{field}", "/collections/c/index/n", "", 200},
      {"DELETE", kCollection, "/collections/c", "", 200},
  };
  TestApplication server;
  for (const Step& step : steps) {
    SCOPED_TRACE(std::string(step.method) + " " + step.target + " " + step.body);
    const Answer answer = server.Call(step.method, step.target, step.body);
    EXPECT_EQ(answer.status, step.status) << answer.text;
    ASSERT_FALSE(answer.body.is_null()) << answer.text;
    EXPECT_THAT(Document().Check(step.method, step.pattern, answer.status, answer.body),
                ::testing::IsEmpty())
        << answer.text;
  }
}

}  // namespace
}  // namespace almagest
