// Payload indexes and the conditions they serve, through the API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PayloadIndexApiTest : public ::testing::Test {
 protected:
  void SetUp() override { Do("PUT", "/collections/c", {{"vectors", json::object()}}); }
  Answer Do(const std::string& method, const std::string& target, const json& body) {
    Answer answer = server_.Call(method, target, body.dump());
    EXPECT_EQ(answer.status, 200u) << method << " " << target << ": " << answer.text;
    return answer;
  }
  void Put(int id, const json& payload) {
    Do("PUT", "/collections/c/points",
       {{"points", {{{"id", id}, {"vector", json::object()}, {"payload", payload}}}}});
  }
  void Index(const std::string& field, const json& schema) {
    Do("PUT", "/collections/c/index?wait=true", {{"field_name", field}, {"field_schema", schema}});
  }
  std::vector<int> Ids(const json& condition) {
    std::vector<int> ids;
    const auto answer = Do("POST", "/collections/c/points/scroll",
                           {{"filter", {{"must", condition}}}, {"limit", 1000}});
    for (const json& point : answer.result().at("points")) ids.push_back(point.at("id"));
    return ids;
  }
  static json Match(const char* key, const char* kind, const json& value) {
    return {{"key", key}, {"match", {{kind, value}}}};
  }
  TestApplication server_;
};

TEST_F(PayloadIndexApiTest, TheOlderNameOfASchemaIsTaken) {
  Do("PUT", "/collections/c/index", {{"field_name", "k"}, {"field_type", "keyword"}});
  const json schema = Do("GET", "/collections/c", json()).result().at("payload_schema");
  EXPECT_EQ(schema.at("k").at("data_type"), "keyword");
}

TEST_F(PayloadIndexApiTest, CountsThePointsWithValuesOfItsType) {
  const json values = {5, json::array({1, "x"}), "y", nullptr, 1.5, json::array(), true};
  for (size_t i = 0; i < values.size(); ++i) Put(static_cast<int>(i + 1), {{"k", values[i]}});
  for (const auto& [type, count] :
       {std::pair("integer", 2), std::pair("keyword", 2), std::pair("float", 3),
        std::pair("bool", 1), std::pair("geo", 0), std::pair("text", 2)}) {
    Index("k", type);
    const json schema = Do("GET", "/collections/c", json()).result().at("payload_schema");
    EXPECT_EQ(schema.at("k").at("points"), count) << type;
  }
}

TEST_F(PayloadIndexApiTest, ATextIndexChangesHowTextsMatch) {
  Put(1, {{"t", "Running in the red shoes"}});
  Put(2, {{"t", json::array({"a redhat", "he runs"})}});
  Put(3, {{"t", 5}});
  EXPECT_THAT(Ids(Match("t", "text", "red")), ElementsAre(1, 2));  // A substring.
  EXPECT_THAT(Ids(Match("t", "text", "RED")), ElementsAre());
  Index("t", {{"type", "text"},
              {"stopwords", "english"},
              {"phrase_matching", true},
              {"stemmer", {{"type", "snowball"}, {"language", "english"}}}});
  EXPECT_THAT(Ids(Match("t", "text", "RED")), ElementsAre(1));
  EXPECT_THAT(Ids(Match("t", "text", "run")), ElementsAre(1, 2));
  EXPECT_THAT(Ids(Match("t", "text_any", "shoe redhat")), ElementsAre(1, 2));
  EXPECT_THAT(Ids(Match("t", "phrase", "red shoe")), ElementsAre(1));
  EXPECT_THAT(Ids(Match("t", "phrase", "shoe red")), ElementsAre());
  // A condition that is read from payloads beside one that is answered by the index.
  EXPECT_THAT(Ids({{{"should", {Match("t", "text", "Run"), Match("u", "value", 1)}}}}),
              ElementsAre(1, 2));
  const json schema = Do("GET", "/collections/c", nullptr).result().at("payload_schema").at("t");
  EXPECT_EQ(schema.at("data_type"), "text");
  EXPECT_EQ(schema.at("params").at("stopwords"), "english");
  EXPECT_EQ(schema.at("params").at("tokenizer"), "word");
  EXPECT_EQ(schema.at("points"), 2);
  Do("DELETE", "/collections/c/index/t", nullptr);
  EXPECT_THAT(Ids(Match("t", "text", "RED")), ElementsAre());
}

TEST_F(PayloadIndexApiTest, NestedTextsAreReadAsTheIndexDoes) {
  Put(1, {{"n", {{{"t", "Red"}, {"x", 1}}, {{"t", "hat"}, {"x", 2}}}}});
  Index("n[].t", "text");
  const auto nested = [](const char* text, int x) {
    return json{{"nested",
                 {{"key", "n"},
                  {"filter", {{"must", {Match("t", "text", text), Match("x", "value", x)}}}}}}};
  };
  EXPECT_THAT(Ids(nested("red", 1)), ElementsAre(1));
  EXPECT_THAT(Ids(nested("red", 2)), ElementsAre());
  EXPECT_THAT(Ids(nested("red hat", 1)), ElementsAre());
}

TEST_F(PayloadIndexApiTest, UpdatesByFilterReadTextsAsTheIndexDoes) {
  Put(1, {{"t", "Red hat"}});
  Put(2, {{"t", "blue"}});
  Index("t", "text");
  Do("POST", "/collections/c/points/batch",
     {{"operations",
       {{{"set_payload", {{"payload", {{"t", "hat RED"}}}, {"points", {2}}}}},
        {{"delete", {{"filter", {{"must", Match("t", "text", "red HAT")}}}}}}}}});
  EXPECT_THAT(Ids({{"has_id", {1, 2}}}), ElementsAre());
}

TEST_F(PayloadIndexApiTest, GeographyWithAndWithoutAnIndex) {
  const auto place = [](double lon, double lat) { return json{{"lon", lon}, {"lat", lat}}; };
  Put(1, {{"g", place(13.4, 52.5)}});
  Put(2, {{"g", json::array({place(179.5, 0), place(0, 0)})}});
  Put(3, {{"g", place(-179.5, 0.1)}});
  Put(4, {{"g", "Berlin"}});
  const json radius = {{"key", "g"},
                       {"geo_radius", {{"center", place(180, 0)}, {"radius", 100000}}}};
  const json box = {
      {"key", "g"},
      {"geo_bounding_box", {{"top_left", place(179, 1)}, {"bottom_right", place(-179, -1)}}}};
  const auto ring = [&](double from, double to) {
    return json{
        {"points",
         {place(from, from), place(to, from), place(to, to), place(from, to), place(from, from)}}};
  };
  const json polygon = {{"key", "g"}, {"geo_polygon", {{"exterior", ring(-1, 60)}}}};
  const json holed = {
      {"key", "g"}, {"geo_polygon", {{"exterior", ring(-1, 60)}, {"interiors", {ring(-0.5, 1)}}}}};
  for (const bool indexed : {false, true}) {
    if (indexed) Index("g", "geo");
    EXPECT_THAT(Ids(radius), ElementsAre(2, 3)) << indexed;
    EXPECT_THAT(Ids(box), ElementsAre(2, 3)) << indexed;
    EXPECT_THAT(Ids(polygon), ElementsAre(1, 2)) << indexed;
    EXPECT_THAT(Ids(holed), ElementsAre(1)) << indexed;
  }
}

TEST_F(PayloadIndexApiTest, SlicesAndPrefixes) {
  for (int id = 0; id < 30; ++id) Put(id, {{"w", id % 2 == 0 ? "red" : "green"}});
  size_t members = 0;
  for (int index = 0; index < 3; ++index) {
    members += Ids({{"slice", {{"total", 3}, {"index", index}}}}).size();
  }
  EXPECT_EQ(members, 30u);
  EXPECT_EQ(Ids(Match("w", "prefix", "re")).size(), 15u);
  Index("w", {{"type", "keyword"}, {"prefix", true}});
  EXPECT_EQ(Ids(Match("w", "prefix", "re")).size(), 15u);
  EXPECT_EQ(Ids(Match("w", "prefix", "")).size(), 30u);
  EXPECT_EQ(Ids(Match("w", "prefix", "Re")).size(), 0u);
}

TEST_F(PayloadIndexApiTest, AnIntegerIndexWithoutRangesOrdersNothing) {
  Put(1, {{"n", 5}});
  Index("n", {{"type", "integer"}, {"range", false}});
  const Answer refused =
      server_.Call("POST", "/collections/c/points/scroll", R"({"order_by": "n"})");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_THAT(refused.error(), HasSubstr("Bad request: No range index for `order_by` key: `n`"));
  EXPECT_THAT(Ids({{"key", "n"}, {"range", {{"gt", 4}}}}), ElementsAre(1));
  Index("n", {{"type", "integer"}, {"lookup", false}});
  EXPECT_THAT(Ids(Match("n", "value", 5)), ElementsAre(1));
  Do("POST", "/collections/c/points/scroll", {{"order_by", "n"}});
}

// Searches and writes while an index is built: neither a lost nor a stale value.
TEST_F(PayloadIndexApiTest, IndexesAreBuiltWhileWritesGoOn) {
  json points = json::array();
  for (int id = 0; id < 5000; ++id) {
    points.push_back({{"id", id}, {"vector", json::object()}, {"payload", {{"n", 0}}}});
  }
  Do("PUT", "/collections/c/points", {{"points", points}});
  std::atomic<bool> built = false;
  std::thread writer([&] {
    for (int round = 1; !built || round < 50; ++round) {
      const int id = round * 997 % 5000;
      server_.Call("POST", "/collections/c/points/payload",
                   json{{"payload", {{"n", 1}}}, {"points", {id}}}.dump());
    }
  });
  for (int i = 0; i < 5; ++i) {
    Index("n", "integer");
    Do("DELETE", "/collections/c/index/n", nullptr);
  }
  Index("n", "integer");
  built = true;
  writer.join();
  const auto indexed = Ids(Match("n", "value", 1));
  Do("DELETE", "/collections/c/index/n", nullptr);
  EXPECT_EQ(indexed, Ids(Match("n", "value", 1)));
  EXPECT_GT(indexed.size(), 40u);
}

}  // namespace
}  // namespace almagest
