// Every limit of strict_mode_config, in the words that Qdrant's users search for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/rate_limiter.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class StrictModeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Do("PUT", "/collections/c",
       R"({"vectors": {"d": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"s": {}}})");
    Do("PUT", "/collections/c/points", R"({"points": [
        {"id": 1, "vector": {"d": [1, 0]}, "payload": {"city": "Berlin", "n": 1}},
        {"id": 2, "vector": {"d": [0, 1]}, "payload": {"city": "London"}}]})");
  }
  Answer Do(const std::string& method, const std::string& target, const std::string& body) {
    Answer answer = server_.Call(method, target, body);
    EXPECT_EQ(answer.status, 200u) << method << " " << target << ": " << answer.text;
    return answer;
  }
  void Set(const std::string& config) {
    Do("PATCH", "/collections/c", R"({"strict_mode_config": )" + config + "}");
  }
  void ExpectRefused(const std::string& method, const std::string& target, const std::string& body,
                     const std::string& text, unsigned status = 400) {
    const Answer answer = server_.Call(method, "/collections/c" + target, body);
    EXPECT_EQ(answer.status, status) << target << body << answer.text;
    if (answer.status != 200) {
      EXPECT_THAT(answer.error(), HasSubstr(text));
    }
  }
  void ExpectAllowed(const std::string& method, const std::string& target,
                     const std::string& body) {
    Do(method, "/collections/c" + target, body);
  }
  TestApplication server_;
};

TEST_F(StrictModeTest, IsSetMergedShownAndChecked) {
  const auto shown = [&] {
    return Do("GET", "/collections/c", "")
        .result()
        .at("config")
        .value("strict_mode_config", json());
  };
  EXPECT_TRUE(shown().is_null());
  Set(R"({"enabled": true, "max_query_limit": 10})");
  Set(R"({"search_max_oversampling": 1.5, "max_query_limit": null,
          "sparse_config": {"s": {"max_length": 4}}})");
  EXPECT_EQ(shown(), json::parse(R"({"enabled": true, "max_query_limit": 10,
      "search_max_oversampling": 1.5, "sparse_config": {"s": {"max_length": 4}}})"));
  const auto patch = [&](const std::string& config) {
    return server_.Call("PATCH", "/collections/c", R"({"strict_mode_config": )" + config + "}");
  };
  EXPECT_EQ(patch(R"({"max_query_limit": 0})").status, 422u);
  EXPECT_THAT(patch(R"({"max_query_limit": 0})").error(),
              HasSubstr("[strict_mode_config.max_query_limit: value 0 invalid, must be 1 or"));
  EXPECT_EQ(patch(R"({"max_resident_memory_percent": 101})").status, 422u);
  EXPECT_EQ(patch(R"({"max_query_limit": "ten"})").status, 400u);
  EXPECT_THAT(patch(R"({"max_querry_limit": 5})").error(), HasSubstr("max_querry_limit"));
  EXPECT_EQ(shown().at("max_query_limit"), 10);
  Do("PUT", "/collections/e", R"({"strict_mode_config": {"enabled": true, "max_timeout": 2}})");
  EXPECT_EQ(server_.Call("POST", "/collections/e/points/scroll?timeout=3", "{}").status, 400u);
}

TEST_F(StrictModeTest, LimitsReads) {
  const std::string query = "/points/query";
  Set(R"({"enabled": true, "max_query_limit": 10, "max_timeout": 2, "search_max_hnsw_ef": 100,
          "search_allow_exact": false, "search_max_oversampling": 1.5, "search_max_batchsize": 1})");
  ExpectAllowed("POST", query, R"({"query": [1, 0], "using": "d"})");
  ExpectRefused("POST", query, R"({"query": [1, 0], "using": "d", "limit": 11})",
                "Bad request: Limit exceeded 11 > 10 for \"limit\". Help: Reduce the \"limit\" "
                "parameter to or below 10.");
  ExpectRefused("POST", query, R"({"prefetch": {"query": [1, 0], "using": "d", "limit": 11},
                "query": {"fusion": "rrf"}})",
                "11 > 10");
  ExpectRefused("POST", "/points/scroll", R"({"limit": 11})", "11 > 10");
  ExpectRefused("POST", "/points/query/groups",
                R"({"query": [1, 0], "using": "d", "group_by": "n", "limit": 4, "group_size": 3})",
                "12 > 10");
  ExpectRefused("POST", query + "?timeout=3", "{}", "Limit exceeded 3 > 2 for \"timeout\"");
  ExpectAllowed("POST", query + "?timeout=2", "{}");
  ExpectRefused("POST", query, R"({"query": [1, 0], "using": "d", "params": {"hnsw_ef": 101}})",
                "101 > 100 for \"hnsw_ef\"");
  ExpectRefused("POST", query, R"({"query": [1, 0], "using": "d", "params": {"exact": true}})",
                "Exact search disabled!");
  ExpectRefused("POST", "/points/count", "{}", "Set exact=false.");
  ExpectAllowed("POST", "/points/count", R"({"exact": false})");
  ExpectRefused("POST", query, R"({"query": [1, 0], "using": "d",
                "params": {"quantization": {"oversampling": 2}}})",
                "\"oversampling\"");
  ExpectRefused("POST", "/points/query/batch", R"({"searches": [{}, {}]})",
                "2 > 1 for \"search batch size\"");
  // The same for queries as an array.
  const auto array = [&](const std::string& options, unsigned rows) {
    return server_.Call("POST", "/collections/c/points/query/batch?using=d" + options,
                        NpyBody(std::to_string(rows) + ", 2", std::vector<float>(2 * rows, 1)),
                        {{"content-type", "application/octet-stream"}, {"content-length", "1"}});
  };
  EXPECT_EQ(array("", 1).status, 200u);
  EXPECT_THAT(array("", 2).error(), HasSubstr("2 > 1 for \"search batch size\""));
  EXPECT_THAT(array("&limit=11", 1).error(), HasSubstr("Limit exceeded 11 > 10 for \"limit\""));
  EXPECT_THAT(array("&hnsw_ef=101", 1).error(), HasSubstr("101 > 100 for \"hnsw_ef\""));
  EXPECT_THAT(array("&exact=true", 1).error(), HasSubstr("Exact search disabled!"));
  EXPECT_THAT(array("&timeout=3", 1).error(), HasSubstr("3 > 2 for \"timeout\""));
  Set(R"({"read_rate_limit": 3, "search_max_batchsize": 9, "upsert_max_batchsize": 1})");
  EXPECT_EQ(array("", 2).status, 200u);
  EXPECT_THAT(array("", 2).error(), HasSubstr("Operation requires 2 tokens"));
  Set(R"({"enabled": false})");
  ExpectAllowed("POST", "/points/scroll", R"({"limit": 11})");
}

TEST_F(StrictModeTest, WantsIndexesForFilters) {
  Set(R"({"enabled": true, "unindexed_filtering_retrieve": false,
          "unindexed_filtering_update": false})");
  const std::string city = R"({"filter": {"must": {"key": "city", "match": {"value": "Berlin"}}}})";
  const std::string wanted =
      "Bad request: Index required but not found for \"city\" of one of the following types: "
      "[keyword]. Help: Create an index for this key or use a different filter.";
  ExpectRefused("POST", "/points/scroll", city, wanted);
  ExpectRefused("POST", "/points/delete", city, wanted);
  ExpectRefused("POST", "/points/batch", R"({"operations": [{"delete": )" + city + "}]}", wanted);
  ExpectRefused("POST", "/points/scroll",
                R"({"filter": {"should": {"key": "n", "range": {"gt": 1}}}})", "[float, integer]");
  ExpectRefused("POST", "/points/scroll",
                R"({"filter": {"must": {"nested": {"key": "a", "filter":
                    {"must": {"key": "b", "match": {"text": "x"}}}}}}})",
                "\"a[].b\" of one of the following types: [text]");
  ExpectRefused("POST", "/points/query/groups",
                R"({"query": [1, 0], "using": "d", "group_by": "city"})",
                "Index required but not found for \"city\". Help: Create an index supporting");
  ExpectAllowed("POST", "/points/scroll", R"({"filter": {"must": {"has_id": [1]}}})");
  ExpectAllowed("PUT", "/index", R"({"field_name": "city", "field_schema": "keyword"})");
  ExpectAllowed("POST", "/points/scroll", city);
  ExpectAllowed("POST", "/points/delete", city);
  ExpectRefused("POST", "/points/scroll",
                R"({"filter": {"must": {"key": "city", "match": {"value": 5}}}})", "[integer]");
}

TEST_F(StrictModeTest, LimitsTheSizeOfFilters) {
  Set(R"({"enabled": true, "filter_max_conditions": 2, "condition_max_size": 3})");
  ExpectAllowed("POST", "/points/scroll",
                R"({"filter": {"must": [{"key": "a", "match": {"any": [1, 2, 3]}}]}})");
  ExpectRefused("POST", "/points/scroll",
                R"({"filter": {"must": [{"key": "a", "match": {"any": [1, 2, 3, 4]}}]}})",
                "Condition size limit reached (4 > 3)");
  ExpectRefused("POST", "/points/scroll",
                R"({"filter": {"must": [{"nested": {"key": "a", "filter": {"must": [
                    {"has_id": []}, {"has_id": []}]}}}, {"has_id": []}]}})",
                "Filter condition limit reached (3 > 2)");
}

TEST_F(StrictModeTest, LimitsWrites) {
  const std::string three = R"({"points": [{"id": 5, "vector": {}}, {"id": 6, "vector": {}},
                                           {"id": 7, "vector": {}}]})";
  Set(R"({"enabled": true, "upsert_max_batchsize": 2, "max_payload_index_count": 0,
          "sparse_config": {"s": {"max_length": 1}}})");
  ExpectRefused("PUT", "/points", three, "3 > 2 for \"upsert limit\"");
  ExpectRefused("PUT", "/points", R"({"batch": {"ids": [5, 6, 7], "vectors": {}}})", "3 > 2");
  ExpectRefused("PUT", "/points/vectors", three, "3 > 2 for \"update limit\"");
  ExpectRefused("POST", "/points/batch", R"({"operations": [{"upsert": )" + three + "}]}", "3 > 2");
  ExpectRefused(
      "PUT", "/points",
      R"({"points": [{"id": 5, "vector": {"s": {"indices": [1, 2], "values": [1, 1]}}}]})",
      "Sparse vector 's' has a limit of 1 indices, but 2 were provided!");
  ExpectRefused("PUT", "/index", R"({"field_name": "city", "field_schema": "keyword"})",
                "maximum number of payload indices (0)");
  const std::string one = R"({"points": [{"id": 5, "vector": {"d": [1, 1]}}]})";
  for (const auto& [limit, text] :
       {std::pair(R"({"max_points_count": 2})", "Max points count limit of 2 reached!"),
        std::pair(R"({"max_points_count": 99, "max_collection_vector_size_bytes": 16})",
                  "Max vector storage size limit of"),
        std::pair(R"({"max_collection_vector_size_bytes": 9999,
                      "max_collection_payload_size_bytes": 30})",
                  "Max payload storage size limit of")}) {
    Set(limit);
    ExpectRefused("PUT", "/points", one, text);
  }
  Set(R"({"max_collection_payload_size_bytes": 9999, "max_resident_memory_percent": 100})");
  ExpectAllowed("PUT", "/points", one);
}

TEST_F(StrictModeTest, LimitsRates) {
  Set(R"({"enabled": true, "read_rate_limit": 2, "write_rate_limit": 1})");
  ExpectAllowed("POST", "/points/scroll", "{}");
  ExpectAllowed("POST", "/points/count", "{}");
  ExpectRefused("POST", "/points/scroll", "{}",
                "Rate limiting exceeded: Read rate limit exceeded, retry later", 429);
  ExpectAllowed("PUT", "/points", R"({"points": [{"id": 5, "vector": {}}]})");
  const Answer answer =
      server_.Call("PUT", "/collections/c/points", R"({"points": [{"id": 5, "vector": {}}]})");
  EXPECT_EQ(answer.status, 429u);
  EXPECT_GT(std::stoi(answer.Header("Retry-After")), 50);
  Set(R"({"enabled": false})");
  ExpectAllowed("POST", "/points/scroll", "{}");
}

TEST_F(StrictModeTest, PointsAndConditionsCount) {
  Set(R"({"enabled": true, "read_rate_limit": 9, "write_rate_limit": 5})");
  const std::string three = R"({"points": [{"id": 1, "vector": {}}, {"id": 2, "vector": {}},
                                           {"id": 3, "vector": {}}]})";
  ExpectAllowed("PUT", "/points", three);  // 2 are left.
  ExpectRefused("PUT", "/points", three, "Write rate limit exceeded: Operation requires 3 tokens",
                429);
  const std::string ids = R"("filter": {"must": [{"has_id": [1, 2, 3]}]})";
  ExpectRefused("POST", "/points/payload", R"({"payload": {"a": 1}, )" + ids + "}", "3 tokens",
                429);
  ExpectRefused("POST", "/points/batch",
                R"({"operations": [{"delete": {"points": [1, 2]}}, {"delete": {"points": [3]}}]})",
                "3 tokens", 429);
  ExpectAllowed("POST", "/points/delete", R"({"filter": {"must": [{"has_id": [3]}]}})");
  ExpectAllowed("POST", "/points/batch", R"({"operations": [{"delete": {"points": [2]}}]})");
  // A search with a prefetch and two conditions counts four.
  const std::string query = R"({"prefetch": {"query": [1, 0], "using": "d", )" + ids +
                            R"(}, "query": {"fusion": "rrf"}, )" + ids + "}";
  ExpectAllowed("POST", "/points/query", query);  // 5 are left.
  ExpectAllowed("POST", "/points", R"({"ids": [1, 2, 3]})");
  ExpectRefused("POST", "/points/query/batch", R"({"searches": [)" + query + "]}", "4 tokens", 429);
  ExpectAllowed("POST", "/points/scroll", "{" + ids + "}");
}

TEST(RateLimiter, FillsEvenly) {
  RateLimiter limiter;
  const RateLimiter::Clock::time_point start{};
  const auto take = [&](uint64_t cost, int seconds) {
    return limiter.Take(1, RateLimiter::Kind::kRead, 60, cost,
                        start + std::chrono::seconds(seconds));
  };
  EXPECT_FALSE(take(60, 0));
  EXPECT_EQ(take(1, 0)->retry_after_seconds, 1u);
  EXPECT_FALSE(take(5, 5));
  EXPECT_EQ(take(10, 6)->retry_after_seconds, 9u);
  EXPECT_EQ(take(61, 600)->available, 60);  // Never enough.
  EXPECT_FALSE(limiter.Take(1, RateLimiter::Kind::kWrite, 60, 60, start));
  EXPECT_FALSE(limiter.Take(2, RateLimiter::Kind::kRead, 60, 60, start));
}

}  // namespace
}  // namespace almagest
