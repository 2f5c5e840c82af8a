// The server on a real socket: limits, slow and rude clients, pipelining, stopping.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/http/raw_client.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class ServerTest : public ::testing::Test {
 protected:
  void Start(ServerOptions options = {}, const std::string& api_key = "") {
    ApplicationOptions application_options;
    application_options.authentication.api_key = api_key;
    application_ = std::make_unique<TestApplication>(application_options);
    auto server = Server::Start(options, application_->application());
    ASSERT_TRUE(server.has_value()) << server.error().message;
    server_ = *std::move(server);
  }
  uint16_t port() const { return server_->port(); }
  void ExpectAlive() { EXPECT_EQ(Ask(port(), "GET", "/healthz").status, 200u); }

  std::unique_ptr<TestApplication> application_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersOnOneConnectionInOrder) {
  Start();
  RawClient client(port());
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += "GET /collections/c" + std::to_string(i) + "/points/1 HTTP/1.1\r\nHost: t\r\n\r\n";
  }
  ASSERT_TRUE(client.Send(requests));
  for (int i = 0; i < 20; ++i) {
    const auto response = client.Read();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 404u);
    EXPECT_THAT(response->body, HasSubstr("`c" + std::to_string(i) + "`"));
  }
}

TEST_F(ServerTest, PipelinesRequestsWithBodies) {
  Start();
  RawClient client(port());
  const std::string body = R"({"vectors": {"size": 2, "distance": "Dot"}})";
  const std::string head = " HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: ";
  ASSERT_TRUE(client.Send("PUT /collections/p" + head + std::to_string(body.size()) + "\r\n\r\n" +
                          body + "GET /collections/p/exists HTTP/1.1\r\n\r\n"));
  EXPECT_EQ(client.Read()->status, 200u);
  EXPECT_THAT(client.Read()->body, HasSubstr("\"exists\":true"));
}

TEST_F(ServerTest, TakesALongBodyAsItComes) {
  Start();
  ASSERT_EQ(Ask(port(), "PUT", "/collections/p", "{}").status, 200u);
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i) text += std::to_string(i) + " ";
  const std::string body =
      R"({"points": [{"id": 1, "vector": {}, "payload": {"text": ")" + text + R"("}}]})";
  const std::string request =
      "PUT /collections/p/points HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body +
      "GET /collections/p/points/1 HTTP/1.1\r\n\r\n";
  RawClient client(port());
  for (size_t at = 0; at < request.size(); at += 123'457) {
    ASSERT_TRUE(client.Send(request.substr(at, 123'457)));
  }
  EXPECT_EQ(client.Read()->status, 200u);
  EXPECT_THAT(client.Read()->body, HasSubstr(text));
}

TEST_F(ServerTest, RefusesABodyThatAnnouncesTooMuch) {
  ServerOptions options;
  options.body_bytes_max = 10'000;
  Start(options);
  RawClient client(port());
  client.Send(
      "PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Content-Length: 10001\r\n\r\n");
  const auto response = client.Read();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 413u);
  EXPECT_THAT(response->body, HasSubstr("longer than 10000 bytes"));
  ExpectAlive();
}

TEST_F(ServerTest, UploadsHaveALimitOfTheirOwn) {
  ServerOptions options;
  options.body_bytes_max = 10'000;
  options.upload_bytes_max = 100'000;
  Start(options);
  const auto upload = [&](size_t bytes) {
    const std::string body = "--b\r\nContent-Disposition: form-data; name=\"snapshot\"; " +
                             std::string("filename=\"s\"\r\n\r\n") + std::string(bytes, 'x') +
                             "\r\n--b--\r\n";
    RawClient client(port());
    client.Send(
        "POST /collections/c/snapshots/upload HTTP/1.1\r\nContent-Type: "
        "multipart/form-data; boundary=b\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n");
    client.Send(body);
    return *client.Read();
  };
  EXPECT_THAT(upload(50'000).body, HasSubstr("the snapshot cannot be used"));
  const auto large = upload(120'000);
  EXPECT_EQ(large.status, 413u);
  EXPECT_THAT(large.body, HasSubstr("longer than 100000 bytes"));
  ExpectAlive();
}

TEST_F(ServerTest, RefusesAChunkedBodyThatGrowsTooLarge) {
  ServerOptions options;
  options.body_bytes_max = 10'000;
  Start(options);
  RawClient client(port());
  client.Send(
      "PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "800\r\n" + std::string(0x800, ' ') + "\r\n";
  for (int i = 0; i < 10; ++i) client.Send(chunk);
  const auto response = client.Read();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 413u);
  EXPECT_THAT(response->body, HasSubstr("Payload too large"));
  ExpectAlive();
}

TEST_F(ServerTest, AcceptsAChunkedBodyWithinTheLimit) {
  Start();
  RawClient client(port());
  client.Send(
      "PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n"
      "d\r\n{\"vectors\": {\r\n1e\r\n\"size\": 2, \"distance\": \"Dot\"}}\r\n0\r\n\r\n");
  const auto response = client.Read();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 200u) << response->body;
}

TEST_F(ServerTest, RefusesLongHeaders) {
  Start();
  RawClient client(port());
  client.Send("GET / HTTP/1.1\r\nX-Long: " + std::string(100'000, 'x') + "\r\n\r\n");
  const auto response = client.Read();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 431u);
  ExpectAlive();
}

TEST_F(ServerTest, RefusesAmbiguousLengths) {
  Start();
  for (const char* head : {"Content-Length: 2\r\nContent-Length: 3\r\n",
                           "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                           "Content-Length: 2\r\nTransfer-Encoding: xchunked\r\n"}) {
    SCOPED_TRACE(head);
    RawClient client(port());
    client.Send(std::string("PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n") +
                head + "\r\n{}");
    const auto response = client.Read();
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, 400u);
  }
  RawClient garbage(port());
  garbage.Send("this is not HTTP\r\n\r\n");
  EXPECT_EQ(garbage.Read()->status, 400u);
  ExpectAlive();
}

TEST_F(ServerTest, TellsSlowSendersAndServesOthersMeanwhile) {
  ServerOptions options;
  options.header_timeout = 300ms;
  options.body_timeout = 300ms;
  Start(options);
  RawClient slow_header(port());
  slow_header.Send("GET / HT");
  RawClient slow_body(port());
  slow_body.Send(
      "PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Content-Length: 100\r\n\r\n{");
  ExpectAlive();
  EXPECT_EQ(slow_header.Read()->status, 408u);
  EXPECT_EQ(slow_body.Read()->status, 408u);
  ExpectAlive();
}

TEST_F(ServerTest, ClosesIdleConnections) {
  ServerOptions options;
  options.idle_timeout = 200ms;
  Start(options);
  RawClient client(port());
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST_F(ServerTest, AsksForTheKeyBeforeTheBody) {
  Start({}, "0123456789abcdef");
  RawClient client(port());
  // The body is announced, longer than any may be, and never sent.
  client.Send(
      "PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Content-Length: 99999999999\r\n\r\n");
  const auto response = client.Read();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 401u);
}

TEST_F(ServerTest, SaysContinueToThoseWhoAsk) {
  Start();
  RawClient client(port());
  client.Send(
      "PUT /collections/c HTTP/1.1\r\nContent-Type: application/json\r\n"
      "Expect: 100-continue\r\nContent-Length: 43\r\n\r\n");
  const auto go_on = client.Read();
  ASSERT_TRUE(go_on.has_value());
  EXPECT_EQ(go_on->status, 100u);
  client.Send(R"({"vectors": {"size": 2, "distance": "Dot"}})");
  EXPECT_EQ(client.Read()->status, 200u);
}

TEST_F(ServerTest, RefusesDeepJsonAndGoesOn) {
  Start();
  const std::string deep = std::string(10'000, '[') + std::string(10'000, ']');
  const auto response = Ask(port(), "PUT", "/collections/c", deep);
  EXPECT_EQ(response.status, 400u);
  EXPECT_THAT(response.body, HasSubstr("nested deeper"));
  ExpectAlive();
}

TEST_F(ServerTest, LimitsConnections) {
  ServerOptions options;
  options.connection_count_max = 2;
  Start(options);
  RawClient first(port());
  RawClient second(port());
  for (RawClient* client : {&first, &second}) {
    client->Send("GET /healthz HTTP/1.1\r\n\r\n");
    EXPECT_EQ(client->Read()->status, 200u);
  }
  RawClient third(port());
  third.Send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(third.ReadToEnd(), "");
  first.Send("GET /healthz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(first.Read()->status, 200u);
}

TEST_F(ServerTest, SaysThatAPortIsTaken) {
  Start();
  TestApplication other;
  ServerOptions options;
  options.port = port();
  const auto second = Server::Start(options, other.application());
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(port()) + " is in use"));
}

TEST_F(ServerTest, SurvivesClientsThatHangUp) {
  Start();
  for (int i = 0; i < 20; ++i) {
    RawClient client(port());
    client.Send(i % 2 == 0 ? "GET /metr" : "GET /metrics HTTP/1.1\r\n\r\n");
  }
  ExpectAlive();
}

// A dispatcher whose requests take until they are let go.
class HeldDispatcher : public Dispatcher {
 public:
  std::optional<HttpResponse> Admit(HttpRequest&) override { return std::nullopt; }
  HttpResponse Handle(const HttpRequest& request) override {
    ++started;
    while (request.path == "/held" && !released) std::this_thread::sleep_for(1ms);
    HttpResponse response;
    response.body = request.path;
    return response;
  }
  HttpResponse Refuse(unsigned status, const std::string& text) override {
    HttpResponse response;
    response.status = status;
    response.body = text;
    return response;
  }
  std::atomic<int> started = 0;
  std::atomic<bool> released = false;
};

TEST(ServerStop, LetsRequestsUnderWayFinish) {
  HeldDispatcher dispatcher;
  auto server = Server::Start({}, dispatcher);
  ASSERT_TRUE(server.has_value());
  RawClient busy((*server)->port());
  RawClient idle((*server)->port());
  busy.Send("GET /held HTTP/1.1\r\n\r\n");
  while (dispatcher.started == 0) std::this_thread::sleep_for(1ms);
  std::thread stopper([&] { (*server)->Stop(); });
  EXPECT_EQ(idle.ReadToEnd(), "");  // Closed by Stop.
  dispatcher.released = true;
  const auto response = busy.Read();
  stopper.join();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->body, "/held");
  EXPECT_THAT(response->head, HasSubstr("Connection: close"));
}

TEST(ServerOverload, RefusesWhatWouldQueueTooLong) {
  HeldDispatcher dispatcher;
  ServerOptions options;
  options.worker_threads = 1;
  options.queue_length_max = 1;
  auto server = Server::Start(options, dispatcher);
  ASSERT_TRUE(server.has_value());
  RawClient running((*server)->port());
  running.Send("GET /held HTTP/1.1\r\n\r\n");
  while (dispatcher.started == 0) std::this_thread::sleep_for(1ms);
  // One more waits in the queue; of two, one is refused.
  RawClient a((*server)->port());
  RawClient b((*server)->port());
  a.Send("GET /held HTTP/1.1\r\n\r\n");
  b.Send("GET /held HTTP/1.1\r\n\r\n");
  std::atomic<unsigned> refused = 0;
  std::thread read_a([&] { refused += a.Read()->status == 503; });
  std::thread read_b([&] { refused += b.Read()->status == 503; });
  while (refused == 0) std::this_thread::sleep_for(1ms);
  dispatcher.released = true;
  read_a.join();
  read_b.join();
  EXPECT_EQ(refused, 1u);
}

TEST(ServerStream, SendsPiecesAsChunks) {
  class StreamDispatcher : public HeldDispatcher {
   public:
    HttpResponse Handle(const HttpRequest&) override {
      HttpResponse response;
      response.content_type = "text/event-stream";
      auto round = std::make_shared<int>(0);
      response.chunks = [round]() -> std::optional<std::string> {
        if (++*round > 4) return std::nullopt;
        return *round == 2 ? "" : "data: " + std::to_string(*round) + "\n\n";
      };
      return response;
    }
  } dispatcher;
  auto server = Server::Start({}, dispatcher);
  ASSERT_TRUE(server.has_value());
  RawClient client((*server)->port());
  client.Send("GET /events HTTP/1.1\r\n\r\n");
  const std::string all = client.ReadToEnd();
  EXPECT_THAT(all, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_THAT(all,
              HasSubstr("9\r\ndata: 1\n\n\r\n9\r\ndata: 3\n\n\r\n9\r\ndata: 4\n\n\r\n0\r\n\r\n"));
}

}  // namespace
}  // namespace almagest
