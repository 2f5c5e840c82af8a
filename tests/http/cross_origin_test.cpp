// Browsers from any origin, and HEAD.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/http/raw_client.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

ApplicationOptions OpenWithKey() {
  ApplicationOptions options;
  options.authentication.api_key = "0123456789abcdef";
  options.cross_origin = true;
  return options;
}

using ::testing::HasSubstr;
using ::testing::Not;

TEST(CrossOrigin, APreflightNeedsNoKeyAndDoesNothing) {
  TestApplication server(OpenWithKey());
  const Answer answer = server.Call("OPTIONS", "/collections/c", "",
                                    {{"origin", "http://a.example"},
                                     {"access-control-request-method", "DELETE"},
                                     {"access-control-request-headers", "api-key,content-type"}});
  EXPECT_EQ(answer.status, 200u);
  EXPECT_EQ(answer.Header("Access-Control-Allow-Origin"), "*");
  EXPECT_THAT(answer.Header("Access-Control-Allow-Methods"), HasSubstr("DELETE"));
  EXPECT_EQ(answer.Header("Access-Control-Allow-Headers"), "api-key,content-type");
  EXPECT_EQ(server.Call("OPTIONS", "/collections/c").status, 401u) << "no preflight";
}

TEST(CrossOrigin, AnswersAndRefusalsNameTheOriginsAllowed) {
  TestApplication server(OpenWithKey());
  const NameValues origin{{"origin", "http://a.example"}};
  EXPECT_EQ(server.Call("GET", "/", "", origin).Header("Access-Control-Allow-Origin"), "*");
  const Answer refused = server.Call("GET", "/collections", "", origin);
  EXPECT_EQ(refused.status, 401u);
  EXPECT_EQ(refused.Header("Access-Control-Allow-Origin"), "*");
  EXPECT_EQ(server.Call("GET", "/").Header("Access-Control-Allow-Origin"), "");
}

TEST(CrossOrigin, IsOffUnlessAskedFor) {
  TestApplication server;
  const NameValues origin{{"origin", "http://a.example"},
                          {"access-control-request-method", "DELETE"}};
  EXPECT_EQ(server.Call("GET", "/", "", origin).Header("Access-Control-Allow-Origin"), "");
  EXPECT_EQ(server.Call("GET", "/none", "", origin).Header("Access-Control-Allow-Origin"), "");
  const Answer preflight = server.Call("OPTIONS", "/collections/c", "", origin);
  EXPECT_EQ(preflight.status, 405u);
  EXPECT_EQ(preflight.Header("Access-Control-Allow-Origin"), "");
}

TEST(Head, HasTheHeadersOfTheGetAndNoBody) {
  TestApplication application;
  auto server = *Server::Start({}, application.application());
  RawClient client(server->port());
  ASSERT_TRUE(
      client.Send("HEAD /healthz HTTP/1.1\r\n\r\nHEAD /collections/none HTTP/1.1\r\n\r\n"
                  "HEAD /nothing HTTP/1.1\r\n\r\n"
                  "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"));
  const std::string all = client.ReadToEnd();
  EXPECT_THAT(all, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(all, HasSubstr("HTTP/1.1 404 Not Found"));
  EXPECT_THAT(all, Not(HasSubstr("doesn't exist")));
  size_t bodies = 0;
  for (size_t at = all.find("healthz check passed"); at != std::string::npos;
       at = all.find("healthz check passed", at + 1)) {
    ++bodies;
  }
  EXPECT_EQ(bodies, 1u) << all;
  EXPECT_THAT(all.substr(0, all.find("\r\n\r\n")), HasSubstr("Content-Length: 20"));
}

}  // namespace
}  // namespace almagest
