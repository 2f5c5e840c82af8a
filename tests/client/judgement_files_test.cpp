#include "client/commands/judgement_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "client/commands/commands.h"
#include "client/commands/learning_request.h"
#include "tests/client/scratch_folder.h"
#include "tests/client/scripted_server.h"

namespace almagest::client {
namespace {

using testing::HasSubstr;

TEST(Qrels, TrecAndBeirLines) {
  QrelsLine line;
  ASSERT_TRUE(ParseQrelsLine("q1 0 17 2", line));
  EXPECT_EQ(line.query, "q1");
  EXPECT_EQ(line.document, "17");
  EXPECT_EQ(line.grade, 2);
  ASSERT_TRUE(ParseQrelsLine("q2\td-3\t0.5\r", line));
  EXPECT_EQ(line.document, "d-3");
  EXPECT_EQ(line.grade, 0.5);
  EXPECT_FALSE(ParseQrelsLine("query-id\tcorpus-id\tscore", line));
  EXPECT_FALSE(ParseQrelsLine("  ", line));
  EXPECT_THROW(ParseQrelsLine("q1 0 17 high", line), ClientError);
  EXPECT_THROW(ParseQrelsLine("q1 17", line), ClientError);
}

class JudgementFiles : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  }
  std::string ErrorOf(const std::string& qrels, const std::string& queries) {
    try {
      ReadJudgedQueries(Write("qrels", qrels), Write("queries", queries), "m");
    } catch (const ClientError& error) {
      return error.what();
    }
    return "";
  }
  ScratchFolder folder_;
};

TEST_F(JudgementFiles, JoinsQueriesWithTheirJudgements) {
  const auto queries = ReadJudgedQueries(
      Write("qrels",
            "1 0 18446744073709551615 1\n2 0 550e8400-e29b-41d4-a716-446655440000 0\n"
            "1 0 5 3\n3 0 6 1\n"),
      Write("queries",
            "{\"_id\": \"2\", \"text\": \"two\"}\n\n{\"id\": 1, \"vector\": [1, 2]}\n"
            "{\"query_id\": \"3\", \"point\": 9}\n{\"id\": 4, \"text\": \"unjudged\"}\n"),
      "m");
  ASSERT_EQ(queries.size(), 3u);
  EXPECT_EQ(queries[0].target, Json({{"text", "two"}, {"model", "m"}}));
  EXPECT_EQ(queries[0].judgements[0].first, "550e8400-e29b-41d4-a716-446655440000");
  EXPECT_EQ(queries[1].target, Json({1, 2}));
  ASSERT_EQ(queries[1].judgements.size(), 2u);
  EXPECT_EQ(queries[1].judgements[0].first, UINT64_MAX);
  EXPECT_EQ(queries[1].judgements[1].second, 3);
  EXPECT_EQ(queries[2].target, 9);
}

TEST_F(JudgementFiles, ErrorsNameFileAndLine) {
  EXPECT_THAT(ErrorOf("1 0 5 x\n", "{}\n"), HasSubstr("qrels line 1"));
  EXPECT_THAT(ErrorOf("1 0 5 1\n", "{\"id\":1,\"text\":\"a\"}\nnot json\n"),
              HasSubstr("queries line 2"));
  EXPECT_THAT(ErrorOf("1 0 5 1\n", "{\"text\":\"a\"}\n"), HasSubstr("no _id, id or query_id"));
  EXPECT_THAT(ErrorOf("1 0 5 1\n", "{\"id\":1}\n"), HasSubstr("no text, vector or point"));
  EXPECT_THAT(ErrorOf("7 0 5 1\n", "{\"id\":1,\"text\":\"a\"}\n"), HasSubstr("query \"7\""));
  EXPECT_THAT(ErrorOf("", "{\"id\":1,\"text\":\"a\"}\n"), HasSubstr("no judgements"));
}

TEST_F(JudgementFiles, AdaptSendsTrustedJudgements) {
  ScriptedServer server;
  server.Script({ScriptedServer::Ok(
      R"({"result":{"config":{"params":{"vectors":{"v":{"size":2,"distance":"Cosine"}}}}}})")});
  server.Script({ScriptedServer::WithStatus(422, R"({"status":{"error":"no"}})")});
  AdaptOptions options;
  options.collection = "c";
  options.trusted = Write("qrels", "1 0 5 3\n");
  options.trusted_queries = Write("queries", "{\"id\": 1, \"vector\": [1, 2]}\n");
  EXPECT_THROW(RunAdapt({server.Url(), ""}, options), ClientError);
  ASSERT_EQ(server.requests().size(), 2u);
  const std::string& request = server.requests()[1];
  const Json body = Json::parse(request.substr(request.find("\r\n\r\n") + 4));
  EXPECT_EQ(body["trusted"], Json::parse(R"({"queries": [
    {"name": "1", "vectors": {"v": [1, 2]}, "judgements": [{"id": 5, "grade": 3.0}]}]})"));
  EXPECT_FALSE(body.contains("activate"));
  EXPECT_FALSE(body.contains("feedback"));
}

TEST_F(JudgementFiles, TenantsAreNamedByTagAndVersion) {
  ScriptedServer server;
  const std::string info = ScriptedServer::Ok(
      R"({"result":{"config":{"params":{"vectors":{"v":{"size":2,"distance":"Cosine"}},
                                         "sparse_vectors":{"t":{}}}}}})");
  const std::string refused = ScriptedServer::WithStatus(422, R"({"status":{"error":"no"}})");
  for (const auto& answer : {info, refused, info, refused, refused}) server.Script({answer});
  const auto body = [&](size_t at) {
    const std::string& request = server.requests().at(at);
    return Json::parse(request.substr(request.find("\r\n\r\n") + 4));
  };
  AdaptOptions adapt;
  adapt.collection = "c";
  adapt.tag = "acme";
  EXPECT_THROW(RunAdapt({server.Url(), ""}, adapt), ClientError);
  EXPECT_EQ(body(1)["feedback"], Json({{"tag", "acme"}}));
  EXPECT_FALSE(body(1).contains("activate"));
  SearchOptions search;
  search.collection = "c";
  search.text = "boots";
  search.hybrid = true;
  search.adapter_version = 7;
  EXPECT_THROW(RunSearch({server.Url(), ""}, search), ClientError);
  EXPECT_EQ(body(3)["prefetch"][0]["params"], Json({{"adapter_version", 7}}));
  EXPECT_FALSE(body(3)["prefetch"][1].contains("params"));
  FeedbackImportOptions feedback;
  feedback.collection = "c";
  feedback.events = Write("events", "{\"a\": 1}\n{\"tag\": \"own\"}\n");
  feedback.tag = "acme";
  EXPECT_THROW(RunFeedbackImport({server.Url(), ""}, feedback), ClientError);
  EXPECT_EQ(body(4)["events"], Json::parse(R"([{"a": 1, "tag": "acme"}, {"tag": "own"}])"));
}

TEST_F(JudgementFiles, AnAdapterFileIsSentAsItIs) {
  ScriptedServer server;
  server.Script(
      {ScriptedServer::Ok(R"({"result":{"config":{"params":{"vectors":{"v":{"size":2}}}}}})")});
  server.Script({ScriptedServer::Ok(R"({"result":{"using":"v","version":3}})")});
  VersionChoice choice;
  choice.collection = "c";
  choice.file = Write("adapter", std::string("a\0b", 3));
  EXPECT_EQ(RunAddVersion({server.Url(), ""}, choice), kExitDone);
  const std::string request = server.requests().at(1);
  EXPECT_THAT(request, HasSubstr("POST /collections/c/versions?using=v "));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/octet-stream\r\n"));
  EXPECT_EQ(request.substr(request.size() - 3), std::string("a\0b", 3));
}

TEST(LearningRequest, FeedbackEventsByKindOfTarget) {
  JudgedQuery query;
  query.judgements = {{5, 1.0}};
  query.target = {{"text", "a"}, {"model", "m"}};
  EXPECT_EQ(GradedEvent(query, "v"), Json::parse(R"({"query":{"text":"a","model":"m"},"using":"v",
                            "grades":[{"id":5,"grade":1.0}]})"));
  query.target = Json::array({1, 2});
  EXPECT_EQ(GradedEvent(query, "")["query"], Json({{"vector", {1, 2}}}));
  EXPECT_FALSE(GradedEvent(query, "").contains("using"));
  query.target = 9;
  EXPECT_EQ(GradedEvent(query, "")["query"], Json({{"point", 9}}));
}

TEST(LearningRequest, TrustedJudgements) {
  std::vector<JudgedQuery> queries(4);
  queries[0] = {"a", {{"text", "a"}, {"model", "m"}}, {{5, 2.0}, {6, 0.0}}};
  queries[1] = {"b", Json::array({1, 2}), {{5, 1.0}}};
  queries[2] = {"c", 9, {{5, 1.0}}};
  queries[3] = {"d", 9, {{5, 0.0}}};  // Nothing relevant.
  EXPECT_EQ(TrustedJudgements(queries, "v", "m"), Json::parse(R"({"model": "m", "queries": [
    {"name": "a", "text": "a", "judgements": [{"id": 5, "grade": 2.0}, {"id": 6, "grade": 0.0}]},
    {"name": "b", "vectors": {"v": [1, 2]}, "judgements": [{"id": 5, "grade": 1.0}]},
    {"name": "c", "point": 9, "judgements": [{"id": 5, "grade": 1.0}]}]})"));
  queries.erase(queries.begin());
  EXPECT_FALSE(TrustedJudgements(queries, "v", "m").contains("model"));
  queries.erase(queries.begin(), queries.begin() + 2);
  EXPECT_THROW(TrustedJudgements(queries, "v", "m"), ClientError);
}

TEST(LearningRequest, EvaluationBody) {
  EvaluationRequest request;
  request.modes["dense"] = {{"query", {{"nearest", TextPlaceholder("m")}}}};
  request.queries.resize(2);
  request.queries[0].target = {{"text", "a"}, {"model", "m"}};
  request.queries[0].judgements = {{5, 2.0}};
  request.queries[1].target = Json::array({1, 2});
  request.queries[1].name = "q";
  request.versions = {0, 3};
  request.k = 7;
  EXPECT_EQ(EvaluationBody(request), Json::parse(R"({
    "k": 7, "per_query": false, "versions": [0, 3],
    "modes": {"dense": {"query": {"nearest": {"$text": "m"}}}},
    "queries": [{"text": "a", "judgements": [{"id": 5, "grade": 2.0}]},
                {"name": "q", "vectors": {"query": [1, 2]}, "judgements": []}]})"));
}

}  // namespace
}  // namespace almagest::client
