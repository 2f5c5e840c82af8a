// Settings of collections are shown as they were given, change one by one, and have their effect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CollectionSettingsTest : public ::testing::Test {
 protected:
  json Do(const std::string& method, const std::string& target, const std::string& body = "") {
    const Answer answer = server_.Call(method, target, body);
    EXPECT_EQ(answer.status, 200u) << method << " " << target << " " << answer.text;
    return answer.status == 200 ? answer.result() : json();
  }
  json Shown() { return Do("GET", "/collections/c").value("config", json::object()); }
  CollectionConfig Config() { return (*server_.database().FindCollection("c"))->config(); }

  TestApplication server_;
};

TEST_F(CollectionSettingsTest, AreShownAsGiven) {
  Do("PUT", "/collections/c",
     R"({"vectors": {"a": {"size": 4, "distance": "Dot", "hnsw_config": {"m": 20}, "on_disk": true},
                     "b": {"size": 4, "distance": "Dot", "hnsw_config": {"ef_construct": 90},
                           "quantization_config": {"scalar": {"type": "int8", "quantile": 0.6}}},
                     "t": {"size": 8, "distance": "Cosine", "memory": "cached", "on_disk": false}},
         "sparse_vectors": {"s": {"modifier": "idf", "index": {"on_disk": true}}},
         "hnsw_config": {"m": 10, "payload_m": 16, "inline_storage": true},
         "quantization": {"scalar": {"type": "int8", "quantile": 0.5}},
         "optimizers_config": {"indexing_threshold": 20000, "max_optimization_threads": "auto"},
         "wal_config": {"wal_capacity_mb": null, "wal_segments_ahead": 2},
         "payload": {"memory": "cold"}})");
  const json shown = Shown();
  EXPECT_EQ(shown["params"]["vectors"], json::parse(R"({
      "a": {"size": 4, "distance": "Dot", "hnsw_config": {"m": 20}, "on_disk": true},
      "b": {"size": 4, "distance": "Dot", "hnsw_config": {"ef_construct": 90},
            "quantization_config": {"scalar": {"type": "int8", "quantile": 0.6}}},
      "t": {"size": 8, "distance": "Cosine", "memory": "cached", "on_disk": false}})"));
  EXPECT_EQ(shown["params"]["sparse_vectors"],
            json::parse(R"({"s": {"modifier": "idf", "index": {"on_disk": true}}})"));
  EXPECT_EQ(shown["params"]["payload"], json::parse(R"({"memory": "cold"})"));
  EXPECT_EQ(shown["params"]["on_disk_payload"], true);
  EXPECT_EQ(shown["hnsw_config"], json::parse(R"({"m": 10, "ef_construct": 100, "payload_m": 16,
      "full_scan_threshold": 10000, "max_indexing_threads": 0, "on_disk": false,
      "inline_storage": true})"));
  EXPECT_EQ(shown["quantization_config"],
            json::parse(R"({"scalar": {"type": "int8", "quantile": 0.5}})"));
  EXPECT_EQ(shown["optimizer_config"]["indexing_threshold"], 20000);
  EXPECT_EQ(shown["optimizer_config"]["max_optimization_threads"], nullptr);
  EXPECT_EQ(shown["optimizer_config"]["vacuum_min_vector_number"], 1000);
  EXPECT_EQ(shown["wal_config"]["wal_segments_ahead"], 2);
  EXPECT_EQ(shown["wal_config"]["wal_capacity_mb"], 32);
}

TEST_F(CollectionSettingsTest, OfAVectorComeBeforeThoseOfTheCollection) {
  Do("PUT", "/collections/c", R"({"vectors": {"size": 4, "distance": "Dot"}})");
  Do("PATCH", "/collections/c",
     R"({"vectors": {"": {"hnsw_config": {"m": 32}, "on_disk": true, "quantization_config":
                          {"scalar": {"type": "int8", "quantile": 0.8}}}},
         "hnsw_config": {"m": 8, "ef_construct": 123}, "params": {"on_disk_payload": false},
         "quantization_config": {"binary": {"always_ram": true}}})");
  const DenseVectorConfig dense = Config().dense.at("");
  EXPECT_EQ(dense.hnsw.degree, 32u);
  EXPECT_EQ(dense.hnsw.build_beam, 123u);
  EXPECT_EQ(dense.quantization.kind, Quantization::Kind::kScalar);
  EXPECT_EQ(dense.quantization.quantile, 0.8);
  const json shown = Shown();
  EXPECT_EQ(shown["params"]["vectors"]["hnsw_config"], json::parse(R"({"m": 32})"));
  EXPECT_EQ(shown["params"]["on_disk_payload"], false);
  EXPECT_EQ(shown["hnsw_config"]["m"], 8);
  EXPECT_EQ(shown["quantization_config"], json::parse(R"({"binary": {"always_ram": true}})"));

  Do("PATCH", "/collections/c",
     R"({"vectors": {"": {"quantization_config": "Disabled", "hnsw_config": {"m": null}}},
         "quantization_config": "Disabled"})");
  EXPECT_EQ(Config().dense.at("").quantization.kind, Quantization::Kind::kNone);
  EXPECT_EQ(Config().dense.at("").hnsw.degree, 32u);
  EXPECT_EQ(Shown()["quantization_config"], nullptr);
  EXPECT_FALSE(Shown()["params"]["vectors"].contains("quantization_config"));

  // What is refused changes nothing.
  const json before = Shown();
  const auto refused =
      server_.Call("PATCH", "/collections/c",
                   R"({"hnsw_config": {"m": 16}, "vectors": {"": {"memory": "pinned"}}})");
  EXPECT_EQ(refused.status, 422u);
  EXPECT_THAT(refused.error(), HasSubstr("vectors.memory: value pinned"));
  EXPECT_EQ(Shown(), before);
}

TEST_F(CollectionSettingsTest, HaveTheirEffect) {
  Do("PUT", "/collections/c",
     R"({"vectors": {"size": 256, "distance": "Dot", "hnsw_config": {"memory": "pinned"}},
         "optimizers_config": {"indexing_threshold": 10, "max_segment_size": 2,
             "vacuum_min_vector_number": 100, "default_segment_number": 2}})");
  CollectionConfig config = Config();
  EXPECT_EQ(config.dense.at("").hnsw.full_scan_threshold_kb, 10u);
  EXPECT_EQ(config.dense.at("").quantization.placement, GraphPlacement::kPinned);
  EXPECT_EQ(config.optimizer.merged_rows_max, 2u);
  EXPECT_EQ(config.optimizer.idle_seal_rows, 10u);  // 10 kB: 10 rows of 256 floats.
  EXPECT_EQ(config.optimizer.vacuum_rows_min, 100u);
  EXPECT_EQ(config.optimizer.segments_max, 2u);
  EXPECT_TRUE(config.optimizer.enabled);

  Do("PATCH", "/collections/c",
     R"({"optimizers_config": {"indexing_threshold": 0, "max_optimization_threads": 0}})");
  config = Config();
  EXPECT_EQ(config.dense.at("").hnsw.degree, 0u);
  EXPECT_FALSE(config.optimizer.enabled);
  EXPECT_EQ(config.optimizer.merged_rows_max, 2u);
  Do("PATCH", "/collections/c",
     R"({"optimizers_config": {"indexing_threshold": 30, "max_optimization_threads": "auto"},
         "hnsw_config": {"full_scan_threshold": 20}})");
  config = Config();
  EXPECT_EQ(config.dense.at("").hnsw.degree, 16u);
  EXPECT_EQ(config.dense.at("").hnsw.full_scan_threshold_kb, 30u);
  EXPECT_TRUE(config.optimizer.enabled);

  Do("PUT", "/collections/c/vectors/late", R"({"dense": {"size": 4, "distance": "Dot",
      "hnsw_config": {"m": 0}}})");
  EXPECT_EQ(Config().dense.at("late").hnsw.degree, 0u);
  EXPECT_EQ(Config().dense.at("late").hnsw.full_scan_threshold_kb, 30u);
  EXPECT_EQ(Shown()["params"]["vectors"]["late"]["hnsw_config"], json::parse(R"({"m": 0})"));
}

TEST_F(CollectionSettingsTest, DatatypesRoundVectorsAndQueries) {
  Do("PUT", "/collections/c",
     R"({"vectors": {"h": {"size": 2, "distance": "Dot", "datatype": "float16"},
                     "u": {"size": 4, "distance": "Euclid", "datatype": "uint8"},
                     "c": {"size": 2, "distance": "Cosine", "datatype": "float16"}}})");
  EXPECT_EQ(Shown()["params"]["vectors"]["u"]["datatype"], "uint8");
  Do("PUT", "/collections/c/points", R"({"points": [{"id": 1, "vector":
      {"h": [0.1, 2049], "u": [-3, 1.9, 255, 300], "c": [1, 1]}}]})");
  const json point = Do("GET", "/collections/c/points/1");
  EXPECT_EQ(point["vector"]["u"].dump(), "[0,1,255,255]");
  EXPECT_EQ(point["vector"]["h"].dump(), "[0.099975586,2048]");
  EXPECT_EQ(point["vector"]["c"].dump(), "[0.70703125,0.70703125]");
  const auto score = [&](const std::string& body) {
    return Do("POST", "/collections/c/points/query", body)["points"][0]["score"].dump();
  };
  EXPECT_EQ(score(R"({"query": [0, 3.9, 255, 999], "using": "u"})"), "2");
  EXPECT_EQ(score(R"({"query": [0, 2049], "using": "h"})"), "4194304");
  const Answer infinite = server_.Call("PUT", "/collections/c/points",
                                       R"({"points": [{"id": 2, "vector": {"h": [1, 70000]}}]})");
  EXPECT_EQ(infinite.status, 422u);
  EXPECT_THAT(infinite.error(), HasSubstr("vector 'h' of point 2 is not finite at position 1"));
}

TEST_F(CollectionSettingsTest, ShortVectorsAreSummedInOrder) {
  Do("PUT", "/collections/c",
     R"({"vectors": {"d": {"size": 4, "distance": "Dot"}, "c": {"size": 4, "distance": "Cosine"}}})");
  Do("PUT", "/collections/c/points", R"({"points": [{"id": 1, "vector":
      {"d": [0.36, 0.55, 0.47, 0.94], "c": [0.05, 0.61, 0.76, 0.74]}}]})");
  const json found = Do("POST", "/collections/c/points/query",
                        R"({"query": [0.05, 0.61, 0.76, 0.74], "using": "d"})");
  EXPECT_EQ(found["points"][0]["score"].dump(), "1.4063001");
  EXPECT_EQ(Do("GET", "/collections/c/points/1")["vector"]["c"].dump(),
            "[0.04082755,0.4980961,0.62057877,0.60424775]");
}

TEST_F(CollectionSettingsTest, WarnOfWhatCannotBeHad) {
  Do("PUT", "/collections/c", R"({"vectors": {"size": 2, "distance": "Dot"}})");
  Do("PUT", "/collections/c/index",
     R"({"field_name": "k", "field_schema": {"type": "keyword", "on_disk": false}})");
  EXPECT_FALSE(Do("GET", "/collections/c").contains("warnings"));
  Do("PUT", "/collections/c/index",
     R"({"field_name": "l", "field_schema": {"type": "keyword", "memory": "cold"}})");
  const json warnings = Do("GET", "/collections/c").at("warnings");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0]["message"].get<std::string>(), HasSubstr("payload index of `l`"));
}

TEST_F(CollectionSettingsTest, LongNamesAndAnswersOfOneNode) {
  const Answer late = server_.Call("GET", "/collections/" + std::string(300, 'x') + "/points/1");
  EXPECT_EQ(late.status, 422u);
  EXPECT_THAT(late.error(), HasSubstr("Validation error in path parameters: [collection_name"));
  EXPECT_EQ(server_.Call("GET", "/collections/" + std::string(256, 'x') + "/exists").status, 422u);
  EXPECT_EQ(Do("GET", "/collections/" + std::string(255, 'x') + "/exists")["exists"], false);
  Do("PUT", "/collections/c", R"({"vectors": {"size": 2, "distance": "Dot"}})");
  EXPECT_EQ(Do("GET", "/collections/c/cluster")["local_shards"],
            json::parse(R"([{"shard_id": 0, "points_count": 0, "state": "Active"}])"));
  const Answer refused = server_.Call("POST", "/cluster/recover");
  EXPECT_EQ(refused.status, 405u);
  EXPECT_THAT(refused.error(), HasSubstr("standalone mode"));
}

}  // namespace
}  // namespace almagest
