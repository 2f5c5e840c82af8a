// Every line of cases/bad_input.case gets its 4xx, names what is wrong and changes nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

struct Case {
  int line = 0;
  std::string method, target, body, expected;
  unsigned status = 0;
};

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(' ');
  return first == std::string::npos ? ""
                                    : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<Case> ReadCases() {
  std::ifstream file(ALMAGEST_BAD_INPUT_CASES);
  std::vector<Case> cases;
  std::string text;
  for (int line = 1; std::getline(file, text); ++line) {
    if (text.empty() || text.front() == '#') continue;
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t bar = std::min(text.find('|', begin), text.size());
      parts.push_back(Trim(text.substr(begin, bar - begin)));
      begin = bar + 1;
    }
    EXPECT_EQ(parts.size(), 4u) << "line " << line;
    if (parts.size() != 4) continue;
    const size_t space = parts[0].find(' ');
    cases.push_back({line, parts[0].substr(0, space), parts[0].substr(space + 1), parts[1],
                     parts[3], static_cast<unsigned>(std::stoul(parts[2]))});
  }
  return cases;
}

// Everything that the cases could change.
std::string Observe(TestApplication& server) {
  const std::string points =
      server.Call("POST", "/collections/c/points/scroll", R"({"with_vector": true})")
          .result()
          .dump();
  return points + server.Call("GET", "/collections").result().dump() +
         server.Call("GET", "/collections/c").result().dump() +
         server.Call("GET", "/collections/c/feedback").result().dump() +
         server.Call("GET", "/jobs").result().dump();
}

TEST(BadInput, EveryCaseIsRefusedByNameAndChangesNothing) {
  TestApplication server;
  ASSERT_EQ(server
                .Call("PUT", "/collections/c",
                      R"({"vectors": {"d": {"size": 4, "distance": "Cosine"},
                                        "e": {"size": 2, "distance": "Euclid"}},
                            "sparse_vectors": {"s": {}}})")
                .status,
            200u);
  ASSERT_EQ(
      server
          .Call("PUT", "/collections/c/index", R"({"field_name": "n", "field_schema": "integer"})")
          .status,
      200u);
  const Answer upsert = server.Call("PUT", "/collections/c/points",
                                    R"({"points": [
          {"id": 1, "vector": {"d": [1, 0, 0, 0], "e": [1, 2]}, "payload": {"n": 1}},
          {"id": 2, "vector": {"d": [0, 1, 0, 0], "s": {"indices": [1], "values": [1]}},
           "payload": {"n": 2}},
          {"id": 3, "vector": {"d": [0, 0, 1, 0]}}]})");
  ASSERT_EQ(upsert.status, 200u) << upsert.text;
  const std::string before = Observe(server);
  const std::vector<Case> cases = ReadCases();
  ASSERT_GT(cases.size(), 100u);
  for (const Case& bad : cases) {
    SCOPED_TRACE("line " + std::to_string(bad.line) + ": " + bad.method + " " + bad.target + " " +
                 bad.body);
    const Answer answer = server.Call(bad.method, bad.target, bad.body);
    EXPECT_EQ(answer.status, bad.status) << answer.text;
    ASSERT_TRUE(answer.body.is_object() && answer.body.contains("status")) << answer.text;
    ASSERT_TRUE(answer.body["status"].is_object()) << answer.text;
    EXPECT_THAT(answer.error(), HasSubstr(bad.expected));
    const std::string after = Observe(server);
    ASSERT_EQ(after, before);
  }
}

TEST(BadInput, HugeButLegalNumbersAreFine) {
  TestApplication server;
  ASSERT_EQ(
      server.Call("PUT", "/collections/c", R"({"vectors": {"size": 2, "distance": "Dot"}})").status,
      200u);
  ASSERT_EQ(server
                .Call("PUT", "/collections/c/points",
                      R"({"points": [{"id": 18446744073709551615, "vector": [1, 0]},
                                       {"id": 0, "vector": [0, 1]}]})")
                .status,
            200u);
  const Answer all = server.Call("POST", "/collections/c/points/query",
                                 R"({"query": [1, 0], "limit": 18446744073709551615,
                                     "params": {"hnsw_ef": 65536}})");
  ASSERT_EQ(all.status, 200u) << all.text;
  EXPECT_EQ(all.result().at("points").size(), 2u);
  EXPECT_EQ(all.result().at("points")[0].at("id"), UINT64_MAX);
  const Answer none = server.Call("POST", "/collections/c/points/query",
                                  R"({"query": [1, 0], "offset": 18446744073709551615})");
  ASSERT_EQ(none.status, 200u) << none.text;
  EXPECT_EQ(none.result().at("points").size(), 0u);
  const Answer page =
      server.Call("POST", "/collections/c/points/scroll", R"({"limit": 18446744073709551615})");
  ASSERT_EQ(page.status, 200u) << page.text;
  EXPECT_EQ(page.result().at("points").size(), 2u);
}

}  // namespace
}  // namespace almagest
