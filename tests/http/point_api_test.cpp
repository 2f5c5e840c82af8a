// Collections and points through the API: what writes do and what their answers look like.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "storage/base/memory_limit.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class PointApiTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(server_
                  .Call("PUT", "/collections/c",
                        R"({"vectors": {"d": {"size": 2, "distance": "Dot"}},
                               "sparse_vectors": {"s": {"modifier": "idf"}}})")
                  .status,
              200u);
  }
  // The result of a call that must succeed.
  json Do(const std::string& method, const std::string& target, const std::string& body = "") {
    const Answer answer = server_.Call(method, target, body);
    EXPECT_EQ(answer.status, 200u) << method << " " << target << ": " << answer.text;
    return answer.status == 200 ? answer.result() : json();
  }
  json Point(const std::string& id) { return Do("GET", "/collections/c/points/" + id); }

  TestApplication server_;
};

TEST_F(PointApiTest, CollectionsComeAndGo) {
  EXPECT_EQ(Do("GET", "/collections/c/exists"), json::parse(R"({"exists": true})"));
  EXPECT_EQ(Do("GET", "/collections"), json::parse(R"({"collections": [{"name": "c"}]})"));
  const Answer again = server_.Call("PUT", "/collections/c", "{}");
  EXPECT_EQ(again.status, 409u);
  EXPECT_THAT(again.error(), HasSubstr("Wrong input: "));
  EXPECT_EQ(Do("DELETE", "/collections/c"), true);
  EXPECT_EQ(Do("DELETE", "/collections/c"), false);
  EXPECT_EQ(server_.Call("GET", "/collections/c").error(),
            "Not found: Collection `c` doesn't exist!");
}

TEST_F(PointApiTest, ArraysAreUpserts) {
  const NameValues bytes = {{"content-type", "Application/Octet-Stream"}, {"content-length", "1"}};
  const auto put = [&](const std::string& query, const std::string& body) {
    return server_.Call("PUT", "/collections/c/points?" + query, body, bytes);
  };
  EXPECT_EQ(put("first_id=7&vector=d", NpyBody("3, 2", {1, 2, 3, 4, 5, 6})).status, 200u);
  EXPECT_EQ(Point("7").at("vector").at("d"), json::parse("[1, 2]"));
  EXPECT_EQ(Point("9").at("vector").at("d"), json::parse("[5, 6]"));
  // Nothing of what follows changes anything.
  EXPECT_EQ(put("vector=d", NpyBody("1, 2", {1, 2})).status, 400u);
  EXPECT_EQ(put("first_id=1", NpyBody("1, 2", {1, 2})).status, 400u);  // No unnamed vector.
  EXPECT_EQ(put("first_id=1&vector=d", NpyBody("1, 3", {1, 2, 3})).status, 400u);
  EXPECT_EQ(put("first_id=1&vector=d", NpyBody("2, 2", {1, 2})).status, 400u);
  EXPECT_EQ(put("first_id=18446744073709551615&vector=d", NpyBody("2, 2", {1, 2, 3, 4})).status,
            422u);
  EXPECT_EQ(put("first_id=1&vector=d", NpyBody("1, 2", {1, std::nanf("")})).status, 422u);
  const std::string whole = NpyBody("1, 2", {1, 2});
  for (size_t length = 0; length < whole.size(); length += 3) {
    EXPECT_EQ(put("first_id=1&vector=d", whole.substr(0, length)).status, 400u) << length;
  }
  EXPECT_EQ(server_.Call("POST", "/collections/c/points/query", whole, bytes).status, 415u);
  EXPECT_EQ(Do("POST", "/collections/c/points/count", "{}").at("count"), 3);
}

TEST_F(PointApiTest, WritesBeyondTheMemoryLimitWait) {
  const std::string body = R"({"points": [{"id": 1, "vector": {"d": [1, 2]}}]})";
  Do("PUT", "/collections/c/points", body);
  SetMemoryLimit(1 << 20);
  const Answer refused = server_.Call("PUT", "/collections/c/points", body);
  EXPECT_EQ(refused.status, 429u);
  EXPECT_EQ(refused.Header("Retry-After"), "1");
  EXPECT_THAT(refused.error(), HasSubstr("memory_limit"));
  EXPECT_EQ(Do("POST", "/collections/c/points/count", "{}").at("count"), 1);  // Reads go on,
  Do("POST", "/collections/c/points/delete", R"({"points": [1]})");           // as do deletions.
  SetMemoryLimit(0);
  Do("PUT", "/collections/c/points", body);
}

TEST_F(PointApiTest, CollectionShowsItsConfiguration) {
  Do("PUT", "/collections/u",
     R"({"vectors": {"size": 3, "distance": "Euclid", "on_disk": true, "hnsw_config": {"m": 8}},
         "hnsw_config": {"ef_construct": 50}, "shard_number": 1, "on_disk_payload": false,
         "optimizers_config": {"deleted_threshold": 0.3, "default_segment_number": 2},
         "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": true}},
         "metadata": {"model": "x"}, "almagest": {"durability": "process", "seal_rows": 500}})");
  json info = Do("GET", "/collections/u");
  EXPECT_EQ(info.at("/config/params/vectors/size"_json_pointer), 3);
  EXPECT_EQ(info.at("/config/params/vectors/distance"_json_pointer), "Euclid");
  EXPECT_EQ(info.at("/config/params/vectors/hnsw_config/m"_json_pointer), 8);
  EXPECT_EQ(info.at("/config/hnsw_config/ef_construct"_json_pointer), 50);
  EXPECT_EQ(info.at("/config/optimizer_config/deleted_threshold"_json_pointer), 0.3);
  EXPECT_EQ(info.at("/config/quantization_config"_json_pointer),
            json::parse(R"({"scalar": {"type": "int8", "quantile": 0.99, "always_ram": true}})"));
  EXPECT_EQ(info.at("/config/metadata"_json_pointer), json::parse(R"({"model": "x"})"));
  EXPECT_EQ(info.at("/almagest/durability"_json_pointer), "process");
  EXPECT_EQ(info.at("/almagest/seal_rows"_json_pointer), 500);
  Do("PATCH", "/collections/u",
     R"({"hnsw_config": {"ef_construct": 60}, "metadata": {"model": null, "n": 1},
         "quantization_config": {"binary": {"encoding": "two_bits"}},
         "almagest": {"durability": "sync"}})");
  info = Do("GET", "/collections/u");
  EXPECT_EQ(info.at("/config/hnsw_config/ef_construct"_json_pointer), 60);
  EXPECT_EQ(info.at("/config/quantization_config"_json_pointer),
            json::parse(R"({"binary": {"encoding": "two_bits"}})"));
  EXPECT_EQ(info.at("/config/metadata"_json_pointer), json::parse(R"({"n": 1})"));
  EXPECT_EQ(info.at("/almagest/durability"_json_pointer), "sync");
}

TEST_F(PointApiTest, UpsertKeepsWhatWasGiven) {
  const json result = Do("PUT", "/collections/c/points?wait=true",
                         R"({"points": [
      {"id": 1, "vector": {"d": [0.05, -2], "s": {"indices": [9, 3], "values": [1, 0.5]}},
       "payload": {"n": 12345678901234567890, "t": "\u00e4", "x": {"y": [1, null]}}},
      {"id": "{550E8400-E29B-41D4-A716-446655440000}", "vector": {}}]})");
  EXPECT_EQ(result.at("status"), "completed");
  const json point = Point("1");
  EXPECT_EQ(point.at("vector").dump(), R"({"d":[0.05,-2],"s":{"indices":[3,9],"values":[0.5,1]}})");
  EXPECT_EQ(point.at("/payload/n"_json_pointer), 12345678901234567890u);
  EXPECT_EQ(point.at("/payload/t"_json_pointer), "\u00e4");
  EXPECT_EQ(point.at("/payload/x"_json_pointer), json::parse(R"({"y": [1, null]})"));
  const json uuid = Point("550e8400-e29b-41d4-a716-446655440000");
  EXPECT_EQ(uuid.at("id"), "550e8400-e29b-41d4-a716-446655440000");
  EXPECT_EQ(uuid.at("vector"), json::object());
  EXPECT_EQ(uuid.at("payload"), json::object());
  EXPECT_EQ(
      Do("PUT", "/collections/c/points", R"({"points": [{"id": 1, "vector": {}}]})").at("status"),
      "acknowledged");
}

TEST_F(PointApiTest, APointNamedTwiceIsAnsweredOnce) {
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}}, {"id": 2, "vector": {}}]})");
  const json found = Do("POST", "/collections/c/points", R"({"ids": [2, 1, 2, 9, 1]})");
  EXPECT_EQ(found, json::parse(R"([{"id": 2}, {"id": 1}])"));
}

TEST_F(PointApiTest, VectorsOfMatchingPointsAreUpdatedAndNothingElse) {
  Do("PUT", "/collections/c/points", R"({"points": [
      {"id": 1, "vector": {"d": [1, 1]}, "payload": {"n": 1}},
      {"id": 2, "vector": {"d": [1, 1]}, "payload": {"n": 2}}]})");
  Do("PUT", "/collections/c/points/vectors", R"({"points": [
      {"id": 1, "vector": {"d": [5, 5]}, "payload": {"n": 7}},
      {"id": 2, "vector": {"d": [5, 5]}, "payload": {"n": 7}}],
      "update_filter": {"must": {"key": "n", "range": {"lt": 2}}}})");
  EXPECT_EQ(Point("1").at("vector").dump(), R"({"d":[5,5]})");
  EXPECT_EQ(Point("1").at("payload").at("n"), 1);
  EXPECT_EQ(Point("2").at("vector").dump(), R"({"d":[1,1]})");
}

TEST_F(PointApiTest, UpdateModesAndFiltersHold) {
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}, "payload": {"n": 1}}]})");
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}, "payload": {"n": 2}},
         {"id": 2, "vector": {}, "payload": {"n": 2}}],
         "update_mode": "insert_only"})");
  EXPECT_EQ(Point("1").at("payload").at("n"), 1);
  EXPECT_EQ(Point("2").at("payload").at("n"), 2);
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 2, "vector": {}, "payload": {"n": 3}},
         {"id": 3, "vector": {}}], "update_mode": "update_only"})");
  EXPECT_EQ(Point("2").at("payload").at("n"), 3);
  EXPECT_EQ(server_.Call("GET", "/collections/c/points/3").status, 404u);
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}, "payload": {"n": 9}},
         {"id": 2, "vector": {}, "payload": {"n": 9}}],
         "update_filter": {"must": {"key": "n", "match": {"value": 3}}}})");
  EXPECT_EQ(Point("1").at("payload").at("n"), 1);
  EXPECT_EQ(Point("2").at("payload").at("n"), 9);
}

TEST_F(PointApiTest, PayloadCallsMergeReplaceAndRemove) {
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}, "payload": {"a": {"b": 1}, "k": 2}}]})");
  Do("POST", "/collections/c/points/payload",
     R"({"points": [1], "payload": {"c": 5}, "key": "a"})");
  EXPECT_EQ(Point("1").at("payload"), json::parse(R"({"a": {"b": 1, "c": 5}, "k": 2})"));
  Do("POST", "/collections/c/points/payload/delete", R"({"points": [1], "keys": ["a.b", "no"]})");
  EXPECT_EQ(Point("1").at("payload"), json::parse(R"({"a": {"c": 5}, "k": 2})"));
  Do("PUT", "/collections/c/points/payload",
     R"({"filter": {"must": {"has_id": [1]}}, "payload": {"z": true}})");
  EXPECT_EQ(Point("1").at("payload"), json::parse(R"({"z": true})"));
  Do("POST", "/collections/c/points/payload/clear", R"({"points": [1]})");
  EXPECT_EQ(Point("1").at("payload"), json::object());
}

TEST_F(PointApiTest, VectorCallsSetAndRemove) {
  Do("PUT", "/collections/c/points", R"({"points": [{"id": 1, "vector": {"d": [1, 2]}}]})");
  Do("PUT", "/collections/c/points/vectors",
     R"({"points": [{"id": 1, "vector": {"s": {"indices": [1], "values": [2]}}}]})");
  EXPECT_EQ(Point("1").at("vector").size(), 2u);
  Do("POST", "/collections/c/points/vectors/delete", R"({"points": [1], "vector": ["d"]})");
  EXPECT_EQ(Point("1").at("vector").dump(), R"({"s":{"indices":[1],"values":[2]}})");
}

TEST_F(PointApiTest, BatchAppliesInOrder) {
  const json results = Do("POST", "/collections/c/points/batch?wait=true", R"({"operations": [
      {"upsert": {"points": [{"id": 1, "vector": {}, "payload": {"a": 1}}, {"id": 2, "vector": {}},
         {"id": 3, "vector": {}}]}},
      {"set_payload": {"points": [1], "payload": {"b": 2}}},
      {"delete_payload": {"points": [1], "keys": ["a"]}},
      {"overwrite_payload": {"points": [2], "payload": {"c": 3}}},
      {"clear_payload": {"points": [3]}},
      {"update_vectors": {"points": [{"id": 2, "vector": {"d": [1, 1]}}]}},
      {"delete_vectors": {"points": [2], "vector": ["d"]}},
      {"delete": {"filter": {"must": {"has_id": [3]}}}}]})");
  ASSERT_EQ(results.size(), 8u);
  for (const json& result : results) EXPECT_EQ(result.at("status"), "completed");
  EXPECT_LT(results[0].at("operation_id"), results[7].at("operation_id"));
  EXPECT_EQ(Point("1").at("payload"), json::parse(R"({"b": 2})"));
  EXPECT_EQ(Point("2").at("payload"), json::parse(R"({"c": 3})"));
  EXPECT_EQ(Point("2").at("vector"), json::object());
  EXPECT_EQ(Do("POST", "/collections/c/points/count", "{}").at("count"), 2);
}

TEST_F(PointApiTest, ABatchWithOneBadOperationWritesNothing) {
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}, "payload": {"a": 1}}]})");
  const Answer bad = server_.Call("POST", "/collections/c/points/batch", R"({"operations": [
      {"upsert": {"points": [{"id": 2, "vector": {}}]}},
      {"clear_payload": {"points": [1]}},
      {"update_vectors": {"points": [{"id": 99, "vector": {"d": [1, 1]}}]}}]})");
  EXPECT_EQ(bad.status, 404u);
  EXPECT_THAT(bad.error(), HasSubstr("No point with id 99 found"));
  EXPECT_EQ(Do("POST", "/collections/c/points/count", "{}").at("count"), 1);
  EXPECT_EQ(Point("1").at("payload"), json::parse(R"({"a": 1})"));
}

TEST_F(PointApiTest, DeletingTwiceSucceeds) {
  Do("PUT", "/collections/c/points", R"({"points": [{"id": 1, "vector": {}}]})");
  Do("POST", "/collections/c/points/delete", R"({"points": [1, 2]})");
  Do("POST", "/collections/c/points/delete", R"({"points": [1, 2]})");
  EXPECT_EQ(server_.Call("GET", "/collections/c/points/1").error(),
            "Not found: Point with id 1 does not exists!");
}

TEST_F(PointApiTest, PointsByIdLeaveOutTheAbsentAndWhatWasNotAsked) {
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {"d": [1, 2]}, "payload": {"a": 1, "b": 2}},
         {"id": 2, "vector": {}}]})");
  EXPECT_EQ(Do("POST", "/collections/c/points", R"({"ids": [2, 7, 1]})").dump(),
            R"([{"id":2},{"id":1}])");
  EXPECT_EQ(Do("POST", "/collections/c/points",
               R"({"ids": [1], "with_payload": ["b"], "with_vectors": true})"),
            json::parse(R"([{"id": 1, "payload": {"b": 2}, "vector": {"d": [1, 2]}}])"));
}

TEST_F(PointApiTest, ScrollPagesInIdOrder) {
  std::string points;
  for (const char* id : {"5", "\"550e8400-e29b-41d4-a716-446655440000\"", "1", "3"}) {
    points += (points.empty() ? "" : ",") + std::string("{\"id\": ") + id + ",\"vector\":{}}";
  }
  Do("PUT", "/collections/c/points", "{\"points\": [" + points + "]}");
  json page = Do("POST", "/collections/c/points/scroll", R"({"limit": 2})");
  EXPECT_EQ(page.dump(),
            R"({"next_page_offset":5,"points":[{"id":1,"payload":{}},{"id":3,"payload":{}}]})");
  page = Do("POST", "/collections/c/points/scroll", R"({"offset": 5, "with_payload": false})");
  EXPECT_EQ(page.dump(), R"({"next_page_offset":null,"points":[{"id":5},)"
                         R"({"id":"550e8400-e29b-41d4-a716-446655440000"}]})");
}

TEST_F(PointApiTest, PayloadIndexesOrderScrolls) {
  Do("PUT", "/collections/c/points",
     R"({"points": [{"id": 1, "vector": {}, "payload": {"n": 5}},
         {"id": 2, "vector": {}, "payload": {"n": 7}}, {"id": 3, "vector": {}}]})");
  EXPECT_EQ(server_.Call("POST", "/collections/c/points/scroll", R"({"order_by": "n"})").status,
            400u);
  Do("PUT", "/collections/c/index?wait=true",
     R"({"field_name": "n", "field_schema": {"type": "integer", "lookup": true}})");
  const json info = Do("GET", "/collections/c");
  EXPECT_EQ(info.at("payload_schema").at("n"), json::parse(R"({"data_type": "integer", "points": 2,
                            "params": {"type": "integer", "lookup": true}})"));
  const json page = Do("POST", "/collections/c/points/scroll",
                       R"({"order_by": {"key": "n", "direction": "desc"}, "with_payload": false})");
  EXPECT_EQ(page.at("points").dump(), R"([{"id":2,"order_value":7},{"id":1,"order_value":5}])");
  Do("DELETE", "/collections/c/index/n");
  EXPECT_EQ(Do("GET", "/collections/c").at("payload_schema"), json::object());
}

TEST_F(PointApiTest, UnnamedVectorsAreBareArrays) {
  Do("PUT", "/collections/u", R"({"vectors": {"size": 2, "distance": "Cosine"}})");
  Do("PUT", "/collections/u/points", R"({"points": [{"id": 1, "vector": [3, 4]}]})");
  EXPECT_EQ(Do("GET", "/collections/u/points/1").at("vector").dump(), "[0.6,0.8]");
}

}  // namespace
}  // namespace almagest
