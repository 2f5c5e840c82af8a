// Searches that a network thread answers: which, and that the answers are a worker's.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "http/search_pace.h"
#include "tests/http/raw_client.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

TEST(SearchPace, FollowsWhatMostSearchesTake) {
  SearchPace pace(100us);
  EXPECT_FALSE(pace.IsShort(7));  // Nothing is known yet.
  pace.Note(7, 20us);
  EXPECT_TRUE(pace.IsShort(7));
  EXPECT_FALSE(pace.IsShort(8));
  for (int i = 0; i < 100; ++i) pace.Note(7, i % 3 == 0 ? 50ms : 20us);
  EXPECT_TRUE(pace.IsShort(7));  // One in three lost its core.
  for (int i = 0; i < 100; ++i) pace.Note(7, 300us);
  EXPECT_FALSE(pace.IsShort(7));
  for (int i = 0; i < 10; ++i) pace.Note(7, 20us);
  EXPECT_TRUE(pace.IsShort(7));
  for (int i = 0; i < 3; ++i) pace.NoteOther(7);
  EXPECT_TRUE(pace.IsShort(7));
  for (int i = 0; i < 20; ++i) pace.NoteOther(7);
  EXPECT_FALSE(pace.IsShort(7));
}

TEST(SearchPace, TakesNothingForShortAtALimitOfZero) {
  SearchPace pace(0us);
  pace.Note(7, 0ns);
  EXPECT_FALSE(pace.IsShort(7));
}

ApplicationOptions EverySearchIsShort() {
  ApplicationOptions options;
  options.search_at_once_max = 1h;
  return options;
}

class SearchAtOnceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Do("PUT", "/collections/c",
       R"({"vectors": {"d": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"s": {}}})");
    Do("PUT", "/collections/c/points", R"({"points": [
        {"id": 1, "vector": {"d": [1, 0], "s": {"indices": [1], "values": [1]}},
         "payload": {"city": "Berlin"}},
        {"id": 2, "vector": {"d": [0.8, 0.6]}, "payload": {"city": "London"}}]})");
  }
  void Do(const std::string& method, const std::string& target, const std::string& body) {
    const Answer answer = server_.Call(method, target, body);
    EXPECT_EQ(answer.status, 200u) << method << " " << target << ": " << answer.text;
  }
  void Warm() { Do("POST", kQuery, kPlain); }
  bool AtOnce(const std::string& body, const std::string& target = kQuery) {
    return server_.CallAtOnce(target, body).has_value();
  }

  static constexpr const char* kQuery = "/collections/c/points/query";
  static constexpr const char* kPlain = R"({"query": [1, 0], "using": "d"})";
  TestApplication server_{EverySearchIsShort()};
};

TEST_F(SearchAtOnceTest, WaitsUntilTheCollectionIsKnown) {
  EXPECT_FALSE(AtOnce(kPlain));
  Warm();
  EXPECT_TRUE(AtOnce(kPlain));
}

TEST_F(SearchAtOnceTest, AnswersAsAWorkerDoes) {
  Warm();
  const std::pair<const char*, const char*> requests[] = {
      {kQuery, kPlain},
      {kQuery, R"({"query": {"nearest": [1, 0]}, "using": "d", "limit": 1, "offset": 1})"},
      {kQuery, R"({"query": [1, 0], "using": "d", "with_payload": true, "with_vector": true})"},
      {kQuery, R"({"query": [1, 0], "using": "d", "params": {"hnsw_ef": 16}})"},
      {"/collections/c/points/search",
       R"({"vector": {"name": "d", "vector": [0, 1]}, "limit": 2, "score_threshold": 0.5})"}};
  for (const auto& [target, body] : requests) {
    SCOPED_TRACE(body);
    const auto at_once = server_.CallAtOnce(target, body);
    ASSERT_TRUE(at_once.has_value());
    const Answer worker = server_.Call("POST", target, body);
    EXPECT_EQ(at_once->status, worker.status);
    EXPECT_EQ(at_once->result(), worker.result());
    EXPECT_EQ(at_once->Header("Almagest-Query-Id").size(), 32u);
  }
  // An answer can be referred to, wherever it came from.
  const auto answer = server_.CallAtOnce(kQuery, kPlain);
  Do("POST", "/collections/c/feedback",
     R"({"events": [{"query": {"query_id": ")" + answer->Header("Almagest-Query-Id") +
         R"("}, "clicks": [{"id": 1}]}]})");
}

TEST_F(SearchAtOnceTest, LeavesTheRestToWorkers) {
  Warm();
  for (const char* body :
       {R"({"query": [1, 0], "using": "d", "filter": {"must": {"has_id": [1]}}})",
        R"({"query": [1, 0], "using": "d", "params": {"exact": true}})",
        R"({"query": [1, 0], "using": "d", "params": {"adapter_version": 0}})",
        R"({"query": [1, 0], "using": "d", "params": {"hnsw_ef": 5000}})",
        R"({"query": [1, 0], "using": "d", "limit": 5000})",
        R"({"query": [1, 0], "using": "d", "explain": true})", R"({"query": 1, "using": "d"})",
        R"({"query": {"indices": [1], "values": [1]}, "using": "s"})",
        R"({"query": {"text": "moon", "model": "use-lite"}, "using": "d"})",
        R"({"prefetch": {"query": [1, 0], "using": "d"}, "query": {"fusion": "rrf"}})",
        R"({"query": [1, 0, 0], "using": "d"})", R"({"query": [1, 0], "using": "x"})", "{", "{}",
        ""}) {
    SCOPED_TRACE(body);
    EXPECT_FALSE(AtOnce(body));
  }
  EXPECT_FALSE(AtOnce(R"({"query": [1, 0], "using": "d"})" + std::string(70'000, ' ')));
  EXPECT_FALSE(AtOnce(kPlain, "/collections/none/points/query"));
  EXPECT_FALSE(AtOnce(kPlain, std::string(kQuery) + "?timeout=x"));
  EXPECT_FALSE(AtOnce(R"({"searches": []})", std::string(kQuery) + "/batch"));
  EXPECT_TRUE(AtOnce(kPlain));
}

TEST_F(SearchAtOnceTest, LeavesStrictModeToWorkers) {
  Warm();
  Do("PATCH", "/collections/c",
     R"({"strict_mode_config": {"enabled": true, "read_rate_limit": 2}})");
  EXPECT_FALSE(AtOnce(kPlain));
  Do("POST", kQuery, kPlain);
  Do("POST", kQuery, kPlain);
  EXPECT_EQ(server_.Call("POST", kQuery, kPlain).status, 429u);
  Do("PATCH", "/collections/c", R"({"strict_mode_config": {"enabled": false}})");
  EXPECT_TRUE(AtOnce(kPlain));
}

// Answers some paths on the network thread, of which one takes until it is let go.
class AtOnceDispatcher : public Dispatcher {
 public:
  std::optional<HttpResponse> Admit(HttpRequest&) override { return std::nullopt; }
  std::optional<HttpResponse> HandleAtOnce(const HttpRequest& request) override {
    if (!request.path.starts_with("/at-once")) return std::nullopt;
    ++begun;
    return Handle(request);
  }
  HttpResponse Handle(const HttpRequest& request) override {
    ++started;
    while (request.path.ends_with("/held") && !released) std::this_thread::sleep_for(1ms);
    HttpResponse response;
    response.body = request.path;
    return response;
  }
  HttpResponse Refuse(unsigned status, const std::string&) override {
    HttpResponse response;
    response.status = status;
    return response;
  }
  std::atomic<int> begun = 0;    // At once.
  std::atomic<int> started = 0;  // In all.
  std::atomic<bool> released = false;
};

TEST(ServerAtOnce, NeedsNoWorker) {
  AtOnceDispatcher dispatcher;
  ServerOptions options;
  options.worker_threads = 1;
  auto server = Server::Start(options, dispatcher);
  ASSERT_TRUE(server.has_value());
  RawClient held((*server)->port());
  held.Send("GET /held HTTP/1.1\r\n\r\n");
  while (dispatcher.started == 0) std::this_thread::sleep_for(1ms);
  RawClient other((*server)->port());
  other.Send("GET /at-once/1 HTTP/1.1\r\n\r\nGET /at-once/2 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(other.Read()->body, "/at-once/1");
  EXPECT_EQ(other.Read()->body, "/at-once/2");
  dispatcher.released = true;
  EXPECT_EQ(held.Read()->body, "/held");
}

TEST(ServerAtOnce, HoldsUpNoOtherNetworkThread) {
  AtOnceDispatcher dispatcher;
  ServerOptions options;
  options.network_threads = 3;
  auto server = Server::Start(options, dispatcher);
  ASSERT_TRUE(server.has_value());
  // The first connection comes to the thread that accepts the others.
  RawClient first((*server)->port());
  first.Send("GET /at-once/0 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(first.Read()->body, "/at-once/0");
  RawClient held((*server)->port());
  held.Send("GET /at-once/held HTTP/1.1\r\n\r\n");
  while (dispatcher.begun < 2) std::this_thread::sleep_for(1ms);
  RawClient third((*server)->port());
  for (RawClient* client : {&first, &third}) {
    client->Send("GET /at-once/1 HTTP/1.1\r\n\r\nGET /worker HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client->Read()->body, "/at-once/1");
    EXPECT_EQ(client->Read()->body, "/worker");
  }
  dispatcher.released = true;
  EXPECT_EQ(held.Read()->body, "/at-once/held");
}

}  // namespace
}  // namespace almagest
