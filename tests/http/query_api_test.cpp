// Queries, texts, feedback and evaluation through the API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/residual_tensors.h"
#include "storage/base/safetensors.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class QueryApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Do("PUT", "/collections/c",
       R"({"vectors": {"d": {"size": 2, "distance": "Cosine"}}, "sparse_vectors": {"s": {}}})");
    Do("PUT", "/collections/c/points", R"({"points": [
        {"id": 1, "vector": {"d": [1, 0], "s": {"text": "red moon", "model": "qdrant/bm25"}},
         "payload": {"city": "Berlin"}},
        {"id": 2, "vector": {"d": [0.8, 0.6], "s": {"text": "blue star", "model": "qdrant/bm25"}},
         "payload": {"city": "London"}},
        {"id": 3, "vector": {"d": [0, 1]}, "payload": {"city": "Berlin"}}]})");
  }
  json Do(const std::string& method, const std::string& target, const std::string& body = "") {
    last_ = server_.Call(method, target, body);
    EXPECT_EQ(last_.status, 200u) << method << " " << target << ": " << last_.text;
    return last_.status == 200 ? last_.result() : json();
  }
  // Ids of a query's points, in order.
  std::vector<int> Ids(const std::string& query) {
    std::vector<int> ids;
    const json result = Do("POST", "/collections/c/points/query", query);
    for (const json& point : result.at("points")) ids.push_back(point.at("id"));
    return ids;
  }
  TestApplication server_;
  Answer last_;
};

using ::testing::ElementsAre;

TEST_F(QueryApiTest, RanksByScoreAndFilters) {
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d"})"), ElementsAre(1, 2, 3));
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d", "limit": 1, "offset": 1})"), ElementsAre(2));
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d", "score_threshold": 0.5})"), ElementsAre(1, 2));
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d",
                      "filter": {"must": {"key": "city", "match": {"value": "Berlin"}}}})"),
              ElementsAre(1, 3));
  EXPECT_THAT(Ids(R"({"query": 1, "using": "d"})"), ElementsAre(2, 3));
  EXPECT_THAT(Ids("{}"), ElementsAre(1, 2, 3));
}

TEST_F(QueryApiTest, TextsSearchSparseVectors) {
  EXPECT_THAT(Ids(R"({"query": {"text": "the star", "model": "qdrant/bm25"}, "using": "s"})"),
              ElementsAre(2));
  EXPECT_EQ(last_.Header("Almagest-Query-Id"), "");
  EXPECT_THAT(Ids(R"({"query": {"text": "the of", "model": "qdrant/bm25"}, "using": "s"})"),
              ElementsAre());
}

TEST_F(QueryApiTest, FusesPrefetches) {
  const json result = Do("POST", "/collections/c/points/query", R"({
      "prefetch": [{"query": [0, 1], "using": "d"},
                   {"query": {"text": "moon", "model": "qdrant/bm25"}, "using": "s"}],
      "query": {"fusion": "rrf"}})");
  // 1/(rank + 2) with ranks from 0: point 1 has 1/4 + 1/2, point 3 has 1/2, point 2 has 1/3.
  EXPECT_EQ(result.at("points")[0].at("id"), 1);
  EXPECT_EQ(result.at("points")[0].at("score"), 0.75);
  EXPECT_EQ(result.at("points")[1].at("id"), 3);
  EXPECT_EQ(result.at("points")[2].at("id"), 2);
}

TEST_F(QueryApiTest, LearnedFusionSaysThatNothingWasLearnedYet) {
  const auto fused =
      [&](const std::string& fusion) {
        return Do("POST", "/collections/c/points/query", R"({
        "prefetch": [{"query": [0, 1], "using": "d"},
                     {"query": {"text": "moon", "model": "qdrant/bm25"}, "using": "s"}],
        "explain": true, "query": {"fusion": ")" + fusion + R"("}})");
      };
  const json learned = fused("learned");
  EXPECT_EQ(learned.at("points"), fused("rrf").at("points"));
  const json& leg = learned.at("explanation").at("legs").back();
  EXPECT_EQ(leg.at("reason").get<std::string>().find("plain rrf: version 0 of vector 'd'"), 0u);
}

TEST_F(QueryApiTest, OlderSearchGivesABareList) {
  const json result = Do("POST", "/collections/c/points/search",
                         R"({"vector": {"name": "d", "vector": [1, 0]}, "top": 2})");
  ASSERT_EQ(result.size(), 2u);
  EXPECT_EQ(result[0].at("id"), 1);
  const json batch = Do("POST", "/collections/c/points/search/batch",
                        R"({"searches": [{"vector": {"name": "d", "vector": [1, 0]}, "limit": 1},
                                         {"vector": {"name": "d", "vector": [0, 1]}, "limit": 1}
                                       ]})");
  EXPECT_EQ(batch[0][0].at("id"), 1);
  EXPECT_EQ(batch[1][0].at("id"), 3);
}

TEST_F(QueryApiTest, FeedbackNamesASearchByItsId) {
  Ids(R"({"query": [0.6, 0.8], "using": "d"})");
  const std::string id = last_.Header("Almagest-Query-Id");
  ASSERT_EQ(id.size(), 32u);
  const json added = Do("POST", "/collections/c/feedback",
                        R"({"events": [{"query": {"query_id": ")" + id + R"("}, "using": "d",
                            "user": "ada", "clicks": [{"id": 2, "rank": 2}]},
                           {"query": {"vector": [0, 1]}, "using": "d", "user": "bob",
                            "grades": [{"id": 3, "grade": 2}], "negatives": [1]}]})");
  EXPECT_EQ(added.at("ids").size(), 2u);
  const json page = Do("GET", "/collections/c/feedback?user=ada&with_vector=true");
  ASSERT_EQ(page.at("events").size(), 1u);
  EXPECT_EQ(page.at("total"), 2);
  EXPECT_EQ(page.at("events")[0].at("query").at("query_id"), id);
  EXPECT_EQ(page.at("events")[0].at("query").at("vector").dump(), "[0.6,0.8]");
  EXPECT_EQ(Do("POST", "/collections/c/feedback/delete", R"({"user": "ada"})").at("deleted"), 1);
  EXPECT_EQ(Do("GET", "/collections/c/feedback").at("total"), 1);
}

TEST_F(QueryApiTest, OneBadEventOfABatchStoresNone) {
  const Answer bad = server_.Call("POST", "/collections/c/feedback", R"({"events": [
      {"query": {"point": 1}, "using": "d", "clicks": [{"id": 2}]},
      {"query": {"point": 1}, "using": "d", "clicks": [{"id": 77}]}]})");
  EXPECT_EQ(bad.status, 404u);
  EXPECT_EQ(Do("GET", "/collections/c/feedback").at("total"), 0);
}

TEST_F(QueryApiTest, BatchesNameEachSearchInOrder) {
  Do("POST", "/collections/c/points/query/batch",
     R"({"searches": [{"query": [1, 0], "using": "d"},
                      {"query": {"text": "moon", "model": "qdrant/bm25"}, "using": "s"},
                      {"query": [0, 1], "using": "d"}]})");
  const std::string ids = last_.Header("Almagest-Query-Id");
  EXPECT_EQ(ids.size(), 32u + 2u + 32u);
  EXPECT_EQ(ids.substr(32, 2), ",,");
}

TEST_F(QueryApiTest, EvaluatesModesOnJudgements) {
  const json report = Do("POST", "/collections/c/evaluate", R"({
      "queries": [{"name": "a", "text": "moon", "vectors": {"v": [1, 0]},
                   "judgements": [{"id": 1}]},
                  {"name": "b", "text": "star", "vectors": {"v": [0.9, 0.1]},
                   "judgements": [{"id": 2, "grade": 3}]},
                  {"name": "c", "text": "sun", "vectors": {"v": [0, 1]}, "judgements": []}],
      "modes": {"dense": {"query": {"$vector": "v"}, "using": "d"},
                "sparse": {"query": {"$text": "qdrant/bm25"}, "using": "s"}},
      "k": 2, "per_query": true, "compare": [0, 1]})");
  EXPECT_EQ(report.at("queries_left_out"), 1);
  ASSERT_EQ(report.at("results").size(), 2u);
  const json& dense = report.at("results")[0];
  EXPECT_EQ(dense.at("mode"), "dense");
  EXPECT_EQ(dense.at("queries"), 2);
  // Query b finds its point in second place: 1/log2(3).
  EXPECT_NEAR(dense.at("ndcg_per_query")[1], 0.6309, 1e-4);
  EXPECT_NEAR(dense.at("ndcg").at("mean"), (1 + 0.6309) / 2, 1e-4);
  EXPECT_EQ(report.at("results")[1].at("ndcg").at("mean"), 1.0);
  EXPECT_NEAR(report.at("ndcg_difference").at("mean"), (1 - 0.6309) / 2, 1e-4);
}

TEST_F(QueryApiTest, ExploringSearchesSaySo) {
  Do("PUT", "/collections/c/learning", R"({"exploration": {"slots": 1, "depth": 3, "rate": 1}})");
  const std::string query = R"({"query": [1, 0], "using": "d", "limit": 2, "explain": true})";
  const json result = Do("POST", "/collections/c/points/query", query);
  const std::string id = last_.Header("Almagest-Query-Id");
  EXPECT_EQ(last_.Header("Almagest-Explored"), id);
  ASSERT_EQ(result.at("points").size(), 2u);
  EXPECT_EQ(result.at("explanation").at("hits").size(), 2u);
  EXPECT_EQ(result.at("points")[0].at("id"), 1);
  const json& exploration = result.at("exploration");
  EXPECT_EQ(exploration.at("explored"), true);
  EXPECT_EQ(exploration.at("candidates"), 3);
  EXPECT_EQ(exploration.at("shown_probabilities").dump(), "[1,0.5]");
  Do("POST", "/collections/c/points/query/batch",
     R"({"searches": [{"query": [1, 0], "using": "d"},
                      {"query": [0, 1], "using": "d", "limit": 2}]})");
  EXPECT_EQ("," + last_.Header("Almagest-Explored"), last_.Header("Almagest-Query-Id").substr(32));

  const std::string clicked = result.at("points")[1].at("id").dump();
  Do("POST", "/collections/c/feedback",
     R"({"query": {"query_id": ")" + id + R"("}, "clicks": [{"id": )" + clicked + "}]}");
  const json event = Do("GET", "/collections/c/feedback").at("events")[0];
  EXPECT_EQ(event.at("clicks")[0].at("shown_probability"), 0.5);
  EXPECT_EQ(event.at("exploration").at("candidates").dump(), "[1,2,3]");
  const json report = Do("POST", "/collections/c/evaluate/clicks", "{}");
  EXPECT_EQ(report.at("verdict"), "no_exploration");
  EXPECT_EQ(report.at("searches_explored"), 1);
  EXPECT_EQ(report.at("results").size(), 0u);

  Do("PUT", "/collections/c/learning", R"({"exploration": {"slots": 0}})");
  EXPECT_FALSE(Do("POST", "/collections/c/points/query", query).contains("exploration"));
  EXPECT_EQ(last_.Header("Almagest-Explored"), "");
  EXPECT_EQ(
      server_.Call("PUT", "/collections/c/learning", R"({"exploration": {"slot": 1}})").status,
      400u);
}

TEST_F(QueryApiTest, VersionsStartWithTheIdentity) {
  const json versions = Do("GET", "/collections/c/versions");
  EXPECT_EQ(versions.at("active"), 0);
  ASSERT_EQ(versions.at("versions").size(), 1u);
  EXPECT_EQ(versions.at("versions")[0].at("kind"), "identity");
  const json progress = Do("POST", "/collections/c/reembedding", R"({"paused": true})");
  EXPECT_EQ(progress.at("paused"), true);
  EXPECT_EQ(Do("POST", "/collections/c/reembedding", R"({"paused": false})").at("paused"), false);
  EXPECT_EQ(Do("GET", "/collections/c/reembedding?using=d").at("fraction"), 1);
}

std::string Turn(const std::string& kind = "query_low_rank");

TEST_F(QueryApiTest, VersionsComeInPages) {
  for (int i = 0; i < 4; ++i) {
    ASSERT_EQ(server_
                  .Call("POST", "/collections/c/versions", Turn(),
                        {{"content-type", "application/octet-stream"}})
                  .status,
              200u);
  }
  const auto page = [&](const std::string& query) {
    const json found = Do("GET", "/collections/c/versions?" + query);
    std::string text;
    for (const json& version : found.at("versions")) text += version.at("version").dump() + " ";
    EXPECT_EQ(found.at("total"), 5);
    return text + "then " + found.at("next_offset").dump();
  };
  EXPECT_EQ(page("using=d"), "4 3 2 1 0 then null");
  EXPECT_EQ(page("limit=2"), "4 3 then 2");
  EXPECT_EQ(page("limit=2&offset=2"), "2 1 then 0");
  EXPECT_EQ(page("limit=2&offset=0"), "0 then null");
  EXPECT_EQ(page("limit=5"), "4 3 2 1 0 then null");
  EXPECT_EQ(page("offset=4000000000&limit=1"), "4 then 3");
  for (const char* bad : {"limit=0", "limit=10001", "limit=x", "offset=-1", "offset=4294967296"}) {
    const Answer refused = server_.Call("GET", "/collections/c/versions?" + std::string(bad), "");
    EXPECT_TRUE(refused.status == 400u || refused.status == 422u) << bad << refused.text;
  }
}

// Turns queries by 90 degrees, so that the version's best point is the base vectors' worst.
std::string Turn(const std::string& kind) {
  const std::vector<float> weight = {0, -1, 1, 0};
  const std::vector<float> bias = {0, 0};
  SafetensorsWriter writer;
  writer.SetMetadata("format_version", "1");
  writer.SetMetadata("kind", kind);
  writer.SetMetadata("document_side", "identity");
  writer.SetMetadata("dimension", "2");
  writer.AddFloat32("query_weight", {2, 2}, weight);
  writer.AddFloat32("query_bias", {2}, bias);
  return writer.Serialize();
}

// Sends the first axis to the second and leaves the second alone, which no matrix of full rank
// does: x + U max(V x - 1/2, 0).
TEST_F(QueryApiTest, AVersionMayMapQueriesThroughAHiddenLayer) {
  const std::vector<float> weight = {1, 0, 0, 1};
  const std::vector<float> bias = {0, 0};
  const ResidualTensors residual{1, 0, {1, 0}, {-0.5f}, {-2, 2}, {}, {}};
  SafetensorsWriter writer;
  writer.SetMetadata("kind", "query_mlp");
  writer.SetMetadata("document_side", "identity");
  writer.SetMetadata("dimension", "2");
  writer.AddFloat32("query_weight", {2, 2}, weight);
  writer.AddFloat32("query_bias", {2}, bias);
  AddResidual(residual, 2, &writer);
  const auto upload = [&] {
    return server_.Call("POST", "/collections/c/versions", writer.Serialize(),
                        {{"content-type", "application/octet-stream"}});
  };
  ASSERT_EQ(upload().status, 200u);
  for (const char* query : {"[1, 0]", "[0, 1]"}) {
    const std::string body = R"({"query": )" + std::string(query) + R"(, "using": "d")";
    EXPECT_THAT(Ids(body + R"(, "params": {"adapter_version": 1}})"), ElementsAre(3, 2, 1));
    const json batch =
        Do("POST", "/collections/c/points/query/batch",
           R"({"searches": [)" + body + R"(, "params": {"adapter_version": 1}}, )" + body + "}]}");
    EXPECT_EQ(batch[0].at("points")[0].at("id"), 3);
    EXPECT_EQ(batch[1].at("points")[0].at("id"), query[1] == '1' ? 1 : 3);
  }
  Do("POST", "/collections/c/versions/1/activate", "{}");
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d"})"), ElementsAre(3, 2, 1));
  EXPECT_EQ(Do("GET", "/collections/c/versions").at("versions")[0].at("kind"), "query_mlp");
  // A snapshot brings it along.
  const std::string name = Do("POST", "/collections/c/snapshots").at("name");
  const std::string content = server_.Call("GET", "/collections/c/snapshots/" + name).text;
  last_ = server_.Call("POST", "/collections/copy/snapshots/upload",
                       "--b\r\nContent-Disposition: form-data; name=\"snapshot\"; "
                       "filename=\"f\"\r\n\r\n" +
                           content + "\r\n--b--\r\n",
                       {{"content-type", "multipart/form-data; boundary=b"}});
  ASSERT_EQ(last_.status, 200u) << last_.text;
  const json copied = Do("POST", "/collections/copy/points/query",
                         R"({"query": [1, 0], "using": "d", "limit": 1})");
  EXPECT_EQ(copied.at("points")[0].at("id"), 3);
  writer.SetMetadata("format_version", "1");
  const Answer earlier = upload();
  EXPECT_EQ(earlier.status, 400u);
  EXPECT_THAT(earlier.text, HasSubstr("format_version is '1', which has no query_residual"));
}

TEST_F(QueryApiTest, EverySearchMayNameItsVersion) {
  last_ = server_.Call("POST", "/collections/c/versions", Turn(),
                       {{"content-type", "application/octet-stream"}});
  ASSERT_EQ(last_.status, 200u) << last_.text;
  EXPECT_EQ(last_.result().dump(), R"({"using":"d","version":1})");
  const Answer broken = server_.Call("POST", "/collections/c/versions", Turn().substr(0, 90),
                                     {{"content-type", "application/octet-stream"}});
  EXPECT_EQ(broken.status, 400u) << broken.text;
  EXPECT_EQ(server_.Call("POST", "/collections/c/versions", Turn()).status, 415u) << "as JSON";
  const Answer wordy = server_.Call("POST", "/collections/c/versions", Turn(std::string(65, 'k')),
                                    {{"content-type", "application/octet-stream"}});
  EXPECT_EQ(wordy.status, 400u);
  EXPECT_THAT(wordy.text, HasSubstr("the adapter's kind has 65 bytes, the limit is 64"));
  EXPECT_EQ(Do("GET", "/collections/c/versions").at("versions")[0].at("kind"), "query_low_rank");
  const std::string named = R"("using": "d", "params": {"adapter_version": 1})";
  EXPECT_THAT(Ids(R"({"query": [1, 0], )" + named + "}"), ElementsAre(3, 2, 1));
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d", "params": {"adapter_version": 0}})"),
              ElementsAre(1, 2, 3));
  EXPECT_THAT(Ids(R"({"query": [1, 0], "using": "d"})"), ElementsAre(1, 2, 3));
  EXPECT_THAT(Ids(R"({"prefetch": {"query": [1, 0], "limit": 1, )" + named +
                  R"(}, "query": {"fusion": "rrf"}})"),
              ElementsAre(3));
  EXPECT_THAT(Ids(R"({"query": {"recommend": {"positive": [[1, 0]]}}, )" + named + "}"),
              ElementsAre(3, 2, 1));
  const json explained = Do("POST", "/collections/c/points/query",
                            R"({"query": [1, 0], "explain": true, )" + named + "}");
  EXPECT_EQ(explained.at("explanation").at("legs")[0].at("version"), 1);
  const std::string search =
      R"({"vector": {"name": "d", "vector": [1, 0]}, "limit": 1, "params": {"adapter_version": 1}})";
  EXPECT_EQ(Do("POST", "/collections/c/points/search", search)[0].at("id"), 3);
  const json batch = Do("POST", "/collections/c/points/query/batch",
                        R"({"searches": [{"query": [1, 0], "limit": 1, )" + named +
                            R"(}, {"query": [1, 0], "using": "d", "limit": 1}]})");
  EXPECT_EQ(batch[0].at("points")[0].at("id"), 3);
  EXPECT_EQ(batch[1].at("points")[0].at("id"), 1);
  const json groups =
      Do("POST", "/collections/c/points/query/groups",
         R"({"query": [1, 0], "group_by": "city", "group_size": 1, )" + named + "}");
  EXPECT_EQ(groups.at("groups")[0].at("hits")[0].at("id"), 3);
  // In an evaluation, versions beside each other as modes.
  const json report = Do("POST", "/collections/c/evaluate",
                         R"({
      "queries": [{"vectors": {"v": [1, 0]}, "judgements": [{"id": 3}]}], "k": 1,
      "modes": {"base": {"query": {"$vector": "v"}, "using": "d", "params": {"adapter_version": 0}},
                "tenant": {"query": {"$vector": "v"}, )" +
                             named + R"(}}})");
  EXPECT_EQ(report.at("results")[0].at("ndcg").at("mean"), 0);
  EXPECT_EQ(report.at("results")[1].at("ndcg").at("mean"), 1);
  const Answer unknown =
      server_.Call("POST", "/collections/c/points/query",
                   R"({"query": [1, 0], "using": "d", "params": {"adapter_version": 2}})");
  EXPECT_EQ(unknown.status, 404u);
  EXPECT_THAT(unknown.error(), HasSubstr("it has 0, 1"));
  for (const char* bad : {"-1", "4294967296", "\"de\"", "1.5"}) {
    const Answer refused =
        server_.Call("POST", "/collections/c/points/query",
                     R"({"query": [1, 0], "using": "d", "params": {"adapter_version": )" +
                         std::string(bad) + "}}");
    EXPECT_TRUE(refused.status == 400 || refused.status == 422) << bad << ": " << refused.text;
    EXPECT_THAT(refused.text, HasSubstr("adapter_version")) << bad;
  }
}

TEST_F(QueryApiTest, TaggedFeedbackIsListedDeletedAndLearnedFromByItsTag) {
  Do("POST", "/collections/c/feedback", R"({"events": [
      {"query": {"point": 1}, "using": "d", "tag": "de", "clicks": [{"id": 2}]},
      {"query": {"point": 1}, "using": "d", "clicks": [{"id": 3}]}]})");
  const json tagged = Do("GET", "/collections/c/feedback?tag=de").at("events");
  ASSERT_EQ(tagged.size(), 1u);
  EXPECT_EQ(tagged[0].at("tag"), "de");
  EXPECT_EQ(Do("GET", "/collections/c/feedback").at("events")[1].at("tag"), "");
  EXPECT_EQ(Do("POST", "/collections/c/feedback/delete", R"({"tag": "fr"})").at("deleted"), 0);
  EXPECT_EQ(Do("POST", "/collections/c/feedback/delete", R"({"tag": "de"})").at("deleted"), 1);
  for (const char* part : {"{}", R"({"using": "d"})", R"({"tag": 1})", R"("de")"}) {
    const Answer refused = server_.Call("POST", "/collections/c/adaptations",
                                        R"({"using": "d", "feedback": )" + std::string(part) + "}");
    EXPECT_EQ(refused.status, 400u) << part << ": " << refused.text;
  }
}

TEST_F(QueryApiTest, AMissingTrainerIsNamed) {
  const Answer answer = server_.Call("POST", "/collections/c/adaptations", R"({"using": "d"})");
  EXPECT_EQ(answer.status, 409u);
  EXPECT_THAT(answer.error(), HasSubstr("almagest-trainer"));
  EXPECT_EQ(Do("GET", "/jobs").at("jobs").size(), 0u);
}

TEST_F(QueryApiTest, MetricsCountWhatHappened) {
  Do("GET", "/collections/c");
  const std::string text = server_.Call("GET", "/metrics").text;
  EXPECT_THAT(text, HasSubstr("collection_points{id=\"c\"} 3"));
  EXPECT_THAT(text, HasSubstr("endpoint=\"/collections/{name}/points\",method=\"PUT\","
                              "status=\"200\"} 1"));
}

}  // namespace
}  // namespace almagest
