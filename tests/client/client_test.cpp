// The client library against a scripted server: connections, errors, retries, streams.
#include "client/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/scripted_server.h"

namespace almagest::client {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

ClientError ErrorOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const ClientError& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return ClientError("");
}

std::string Event(int number, const std::string& data) {
  return "id: " + std::to_string(number) + "\ndata: " + data + "\n\n";
}

TEST(ServerUrl, PartsAndDefaults) {
  const ServerAddress plain = ParseServerUrl("http://example.org");
  EXPECT_EQ(plain.host, "example.org");
  EXPECT_EQ(plain.port, "80");
  EXPECT_EQ(plain.prefix, "");
  const ServerAddress full = ParseServerUrl("http://[::1]:7333/a/b/");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, "7333");
  EXPECT_EQ(full.prefix, "/a/b");
}

TEST(ServerUrl, BrokenOnesAreNamed) {
  for (const char* url : {"https://x", "x:7333", "http://", "http://x:", "http://x:0",
                          "http://x:65536", "http://x:12a", "http://[::1"}) {
    const ClientError error = ErrorOf([&] { ParseServerUrl(url); });
    EXPECT_THAT(error.what(), HasSubstr(url));
    EXPECT_EQ(error.status(), 0);
    EXPECT_FALSE(error.unreachable());
  }
}

TEST(PathPart, EncodesWhatIsReserved) {
  EXPECT_EQ(EncodePathPart("a-b_c.d~1"), "a-b_c.d~1");
  EXPECT_EQ(EncodePathPart("a/b ?%\xc3\xa9"), "a%2Fb%20%3F%25%C3%A9");
}

TEST(Client, KeepsOneConnectionAndUnwrapsTheEnvelope) {
  ScriptedServer server;
  server.Script({ScriptedServer::Ok(R"({"result":{"count":7},"status":"ok","time":0})")});
  server.Script({ScriptedServer::Ok(R"({"result":{"exists":true},"status":"ok","time":0})")});
  Client client({.url = server.Url(), .api_key = "secret"});
  EXPECT_EQ(client.Count("my things"), 7u);
  EXPECT_TRUE(client.CollectionExists("c"));
  EXPECT_EQ(server.connections(), 1);
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_THAT(requests[0], StartsWith("POST /collections/my%20things/points/count HTTP/1.1\r\n"));
  EXPECT_THAT(requests[0], HasSubstr("api-key: secret\r\n"));
  EXPECT_THAT(requests[0], HasSubstr(R"({"exact":true})"));
}

TEST(Client, VersionsAreOfAllPages) {
  ScriptedServer server;
  const auto page = [&](const std::string& versions, const std::string& next) {
    server.Script({ScriptedServer::Ok(R"({"result":{"active":2,"total":3,"next_offset":)" + next +
                                      R"(,"versions":[)" + versions + "]},\"status\":\"ok\"}")});
  };
  page(R"({"version":2})", "1");
  page(R"({"version":1})", "0");
  page(R"({"version":0})", "null");
  Client client({.url = server.Url()});
  EXPECT_EQ(client.Versions("c", "v").dump(),
            R"({"active":2,"total":3,"versions":[{"version":2},{"version":1},{"version":0}]})");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_THAT(requests[0], HasSubstr("GET /collections/c/versions?using=v HTTP"));
  EXPECT_THAT(requests[1], HasSubstr("GET /collections/c/versions?using=v&offset=1 HTTP"));
  EXPECT_THAT(requests[2], HasSubstr("GET /collections/c/versions?using=v&offset=0 HTTP"));
}

TEST(Client, ServerErrorsCarryStatusAndSentence) {
  ScriptedServer server;
  server.Script({ScriptedServer::WithStatus(
      404, R"({"status":{"error":"Not found: Collection `x` doesn't exist!"},"time":0})")});
  server.Script({ScriptedServer::WithStatus(401, "Must provide an API key")});
  server.Script({ScriptedServer::Ok("<html>")});
  Client client({.url = server.Url()});
  const ClientError missing = ErrorOf([&] { client.CollectionInfo("x"); });
  EXPECT_EQ(missing.status(), 404);
  EXPECT_STREQ(missing.what(), "Not found: Collection `x` doesn't exist!");
  const ClientError denied = ErrorOf([&] { client.CollectionInfo("x"); });
  EXPECT_EQ(denied.status(), 401);
  EXPECT_STREQ(denied.what(), "HTTP 401: Must provide an API key");
  const ClientError strange = ErrorOf([&] { client.CollectionInfo("x"); });
  EXPECT_THAT(strange.what(), HasSubstr("not JSON"));
}

TEST(Client, RetriesOnlyWhereTheServerAsksForIt) {
  const std::string busy = R"({"status":{"error":"Rate limiting exceeded: later"},"time":0})";
  ScriptedServer server;
  server.Script({ScriptedServer::WithStatus(429, busy)});
  server.Script({ScriptedServer::WithStatus(503, busy)});
  server.Script({ScriptedServer::Ok(R"({"result":{"operation_id":3},"status":"ok","time":0})")});
  server.Script({ScriptedServer::WithStatus(500, busy)});
  Client client({.url = server.Url(), .retries = 2});
  EXPECT_EQ(client.Upsert("c", Json::array()), 3u);
  EXPECT_EQ(server.requests().size(), 3u);
  EXPECT_EQ(ErrorOf([&] { client.Upsert("c", Json::array()); }).status(), 500);
  EXPECT_EQ(server.requests().size(), 4u);
}

TEST(Client, GivesUpAfterTheLastRetry) {
  ScriptedServer server;
  const std::string busy = R"({"status":{"error":"busy"},"time":0})";
  for (int i = 0; i < 2; ++i) server.Script({ScriptedServer::WithStatus(503, busy)});
  Client client({.url = server.Url(), .retries = 1});
  const ClientError error = ErrorOf([&] { client.CollectionInfo("c"); });
  EXPECT_TRUE(error.Retryable());
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST(Client, ReconnectsAfterTheServerClosedAnIdleConnection) {
  ScriptedServer server;
  const std::string ok = ScriptedServer::Ok(R"({"result":true,"status":"ok","time":0})");
  server.Script({ok, /*close=*/true});
  server.Script({ok});
  Client client({.url = server.Url()});
  EXPECT_TRUE(client.DropCollection("a"));
  EXPECT_TRUE(client.DropCollection("b"));
  EXPECT_EQ(server.connections(), 2);
}

TEST(Client, NobodyThereIsUnreachable) {
  int port = 0;
  {
    ScriptedServer gone;
    port = std::stoi(gone.Url().substr(gone.Url().rfind(':') + 1));
  }
  Client client({.url = "http://127.0.0.1:" + std::to_string(port)});
  const ClientError error = ErrorOf([&] { client.Ready(); });
  EXPECT_TRUE(error.unreachable());
  EXPECT_EQ(error.status(), 0);
  EXPECT_THAT(error.what(), HasSubstr("127.0.0.1:" + std::to_string(port)));
}

TEST(Client, SilenceEndsInATimeout) {
  ScriptedServer server;  // No script: requests are read and never answered.
  Client client({.url = server.Url(), .request_timeout = std::chrono::milliseconds(100)});
  const ClientError error = ErrorOf([&] { client.ServerInfo(); });
  EXPECT_TRUE(error.unreachable());
  EXPECT_THAT(error.what(), HasSubstr("did not answer in time"));
}

TEST(Client, QueryReturnsTheIdForFeedback) {
  ScriptedServer server;
  server.Script({ScriptedServer::WithStatus(
      200, R"({"result":{"points":[{"id":18446744073709551615,"score":0.5}]},"status":"ok"})",
      "Almagest-Query-Id: 00ff\r\n")});
  Client client({.url = server.Url()});
  const QueryAnswer answer = client.Query("c", {{"query", 1}});
  EXPECT_EQ(answer.query_id, "00ff");
  ASSERT_EQ(answer.points.size(), 1u);
  EXPECT_EQ(answer.points[0]["id"].get<uint64_t>(), UINT64_MAX);
}

TEST(Client, QueriesGoAsAnArray) {
  ScriptedServer server;
  server.Script({ScriptedServer::WithStatus(
      200,
      R"({"result":[{"points":[{"id":7}]},{"points":[]},{"points":[{"id":9}]}],"status":"ok"})",
      "Almagest-Query-Id: 00aa,,00bb\r\n")});
  Client client({.url = server.Url()});
  const std::vector<float> vectors = {1, 2, 3, 4, 5, 6};
  const auto answers = client.QueryArray("c", vectors, 2,
                                         {.using_vector = "a b",
                                          .limit = 3,
                                          .score_threshold = 0.5,
                                          .hnsw_ef = 64,
                                          .adapter_version = 7,
                                          .exact = true,
                                          .with_payload = true});
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_EQ(answers[2].points[0]["id"], 9);
  EXPECT_EQ(answers[0].query_id, "00aa");
  EXPECT_EQ(answers[1].query_id, "");
  EXPECT_EQ(answers[2].query_id, "00bb");
  const std::string request = server.requests().at(0);
  EXPECT_THAT(
      request,
      StartsWith(
          "POST /collections/c/points/query/batch?limit=3&using=a%20b"
          "&score_threshold=0.5&hnsw_ef=64&adapter_version=7&exact=true&with_payload=true "));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/octet-stream\r\n"));
  EXPECT_THAT(request, HasSubstr("'shape': (3, 2)"));
  EXPECT_EQ(request.substr(request.size() - 24),
            std::string(reinterpret_cast<const char*>(vectors.data()), 24));
  EXPECT_THAT(ErrorOf([&] { client.QueryArray("c", vectors, 4); }).what(),
              HasSubstr("6 values, which are no whole number of vectors of 4"));
  EXPECT_EQ(server.requests().size(), 1u);
}

TEST(Client, FollowsAJobAcrossABrokenStream) {
  const std::string head =
      "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
      "Transfer-Encoding: chunked\r\n\r\n";
  const auto chunk = [](const std::string& text) {
    char size[16];
    std::snprintf(size, sizeof(size), "%zx\r\n", text.size());
    return size + text + "\r\n";
  };
  ScriptedServer server;
  // The first stream is cut in the middle of its second event.
  server.Script({head + chunk(Event(1, R"({"event":"state","state":"running"})") + "id: 2\ndata:"),
                 /*close=*/true});
  server.Script({head + chunk(Event(2, R"({"event":"step","step":1})")) +
                     chunk(": keep-alive\n\n" + Event(3, R"({"event":"end"})")) +
                     chunk("event: end\ndata: {}\n\n") + "0\r\n\r\n",
                 /*close=*/true});
  server.Script(
      {ScriptedServer::Ok(R"({"result":{"id":"job-1","state":"succeeded"},"status":"ok"})")});
  Client client({.url = server.Url()});
  std::vector<std::string> seen;
  const Json job = client.FollowJob("job-1", [&](const Json& event) {
    seen.push_back(event.value("event", ""));
    return true;
  });
  EXPECT_THAT(seen, testing::ElementsAre("state", "step", "end"));
  EXPECT_EQ(job["state"], "succeeded");
  const auto requests = server.requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_THAT(requests[0], StartsWith("GET /jobs/job-1/events?from=1 "));
  EXPECT_THAT(requests[1], StartsWith("GET /jobs/job-1/events?from=2 "));
}

TEST(Client, FollowingAnUnknownJobFails) {
  ScriptedServer server;
  server.Script({ScriptedServer::WithStatus(404, R"({"status":{"error":"Not found: job"}})")});
  Client client({.url = server.Url()});
  const ClientError error =
      ErrorOf([&] { client.FollowJob("job-9", [](const Json&) { return true; }); });
  EXPECT_EQ(error.status(), 404);
  EXPECT_STREQ(error.what(), "Not found: job");
}

}  // namespace
}  // namespace almagest::client
