// Batches of queries as .npy arrays: the answers of JSON batches, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "http/npy_array.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class NpyQueryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(server_
                  .Call("PUT", "/collections/c",
                        R"({"vectors": {"size": 3, "distance": "Cosine"},
                            "sparse_vectors": {"s": {}}})")
                  .status,
              200u);
    json points = json::array();
    for (int id = 0; id < 50; ++id) {
      points.push_back({{"id", id}, {"vector", Vector()}, {"payload", {{"n", id}}}});
    }
    const std::string body = json{{"points", points}}.dump();
    ASSERT_EQ(server_.Call("PUT", "/collections/c/points", body).status, 200u);
  }
  std::vector<float> Vector() {
    std::vector<float> vector(3);
    for (float& value : vector) value = std::uniform_real_distribution<float>(-1, 1)(random_);
    return vector;
  }
  Answer Ask(const std::string& options, const std::string& body) {
    return server_.Call("POST", "/collections/c/points/query/batch?" + options, body,
                        {{"content-type", "application/octet-stream"}, {"content-length", "1"}});
  }
  void ExpectRefused(const std::string& options, const std::string& body, unsigned status,
                     const std::string& text) {
    const Answer answer = Ask(options, body);
    EXPECT_EQ(answer.status, status) << options << answer.text;
    if (answer.status != 200) {
      EXPECT_THAT(answer.error(), HasSubstr(text));
    }
  }

  const unsigned seed_ = std::random_device()();
  std::mt19937 random_{seed_};
  TestApplication server_;
};

TEST_F(NpyQueryTest, AnswersAsJsonDoes) {
  const std::pair<std::string, json> cases[] = {
      {"", json::object()},
      {"limit=3&offset=2&using=", {{"limit", 3}, {"offset", 2}}},
      {"score_threshold=0.25&with_payload=true",
       {{"score_threshold", 0.25}, {"with_payload", true}}},
      {"with_vector=true&exact=true&hnsw_ef=8&timeout=9",
       {{"with_vector", true}, {"params", {{"exact", true}, {"hnsw_ef", 8}}}}},
      {"adapter_version=0", {{"params", {{"adapter_version", 0}}}}},
      {"indexed_only=true&exact=false", {{"params", {{"indexed_only", true}}}}}};
  for (const auto& [options, search] : cases) {
    SCOPED_TRACE(options + ", seed " + std::to_string(seed_));
    std::vector<float> values;
    json searches = json::array();
    for (int row = 0; row < 4; ++row) {
      const std::vector<float> vector = Vector();
      values.insert(values.end(), vector.begin(), vector.end());
      searches.push_back(search);
      searches.back()["query"] = vector;
    }
    const Answer array = Ask(options, NpyBody("4, 3", values));
    ASSERT_EQ(array.status, 200u) << array.text;
    const Answer other = server_.Call("POST", "/collections/c/points/query/batch",
                                      json{{"searches", searches}}.dump());
    EXPECT_EQ(array.result(), other.result());
  }
  EXPECT_EQ(Ask("", NpyBody("0, 3", {})).result(), json::array());
}

TEST_F(NpyQueryTest, FeedbackNamesItsQueries) {
  const Answer answer = Ask("limit=1", NpyBody("2, 3", {1, 0, 0, 0, 0.5, 0}));
  const std::string ids = answer.Header("Almagest-Query-Id");
  ASSERT_EQ(ids.size(), 65u);
  const std::string event =
      R"({"events": [{"query": {"query_id": ")" + ids.substr(33) + R"("}, "negatives": [1]}]})";
  ASSERT_EQ(server_.Call("POST", "/collections/c/feedback", event).status, 200u);
  const Answer page = server_.Call("GET", "/collections/c/feedback?with_vector=true");
  // As it is searched by cosine: of length 1.
  EXPECT_EQ(page.result().at("events")[0].at("query").at("vector").dump(), "[0,1,0]");
}

TEST_F(NpyQueryTest, BadParametersAreNamed) {
  const std::string body = NpyBody("1, 3", {1, 2, 3});
  ExpectRefused("limit=0", body, 422, "[limit: value 0 invalid, must be 1 or larger]");
  ExpectRefused("limit=ten", body, 400, "`limit` is 'ten', must be a whole number");
  ExpectRefused("hnsw_ef=65537", body, 422, "[hnsw_ef: value 65537 invalid, must be 65536 or");
  ExpectRefused("adapter_version=7", body, 404, "params.adapter_version is 7, but vector");
  ExpectRefused("exact=yes", body, 400, "`exact` is 'yes', must be true or false");
  ExpectRefused("score_threshold=nan", body, 400, "`score_threshold` is 'nan', must be a finite");
  ExpectRefused("ef=10", body, 400, "`ef` is unknown, expected one of using, limit, offset");
  ExpectRefused("limit=1&limit=2", body, 400, "`limit` is given twice");
  ExpectRefused("using=absent", body, 400, "absent");
  ExpectRefused("using=s", body, 400, "vector 's' is sparse, the query is a dense vector");
}

TEST_F(NpyQueryTest, BadArraysAreNamed) {
  ExpectRefused("", NpyBody("1, 2", {1, 2}), 400, "expected dim: 3, got 2");
  ExpectRefused("", NpyBody("2, 3", {1, 2, 3, 4, std::nanf(""), 6}), 422,
                "[[1][1]: value nan invalid, must be a finite 32-bit float]");
  ExpectRefused("", NpyBody("4097, 3", std::vector<float>(4097 * 3)), 422,
                "[shape: value (4097, 3) invalid, must be at most 4096 rows]");
  ExpectRefused("", NpyBody("3, 3", {1, 2, 3}), 400, "12 bytes of values, its shape is (3, 3)");
  ExpectRefused("", NpyBody("3", {1, 2, 3}), 400, "`shape` is (3), must be (rows, dimension)");
  const std::string whole = NpyBody("1, 3", {1, 2, 3});
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string body = whole;
    return body.replace(body.find(from), from.size(), to);
  };
  ExpectRefused("", with("<f4", "<f8"), 400, "`descr` is '<f8', must be '<f4', 32-bit floats");
  ExpectRefused("", with("False", "True "), 400, "`fortran_order` is True , must be False");
  ExpectRefused("", with("descr", "dexcr"), 400, "`descr` is missing");
  for (size_t length = 0; length < whole.size(); ++length) {
    ExpectRefused("", whole.substr(0, length), 400, "");
  }
  const Answer text = server_.Call("POST", "/collections/c/points/query/batch", whole,
                                   {{"content-type", "text/plain"}, {"content-length", "1"}});
  EXPECT_EQ(text.status, 415u);
}

TEST(NpyArray, RowsNeedNoAlignment) {
  const std::string body = "x" + NpyBody("2, 2", {1, 2, 3, 4});
  const auto array = ReadNpyArray(std::string_view(body).substr(1));
  ASSERT_TRUE(array);
  EXPECT_EQ(array->Row(1), (std::vector<float>{3, 4}));
}

}  // namespace
}  // namespace almagest
