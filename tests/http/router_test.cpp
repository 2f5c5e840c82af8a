// Routes and keys: nothing is reached through odd spellings, and only the health paths are open.
#include "http/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/authentication.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(Router, PrefersFixedSegmentsAndDecodesParameters) {
  const Router router(Routes());
  const auto query = router.Match("POST", "/collections/a%20b/points/query/");
  ASSERT_TRUE(query.has_value());
  ASSERT_NE(query->route, nullptr);
  EXPECT_EQ(query->route->pattern, "/collections/{collection}/points/query");
  EXPECT_THAT(query->path_params, ElementsAre(Pair("collection", "a b")));
  const auto point = router.Match("GET", "/collections/c/points/7");
  ASSERT_TRUE(point.has_value());
  EXPECT_THAT(point->path_params, ElementsAre(Pair("collection", "c"), Pair("id", "7")));
}

TEST(Router, AnEncodedSlashStaysInsideItsSegment) {
  const Router router(Routes());
  const auto match = router.Match("GET", "/collections/x%2fexists");
  ASSERT_TRUE(match.has_value());
  ASSERT_NE(match->route, nullptr);
  EXPECT_EQ(match->route->pattern, "/collections/{collection}");
  EXPECT_THAT(match->path_params, ElementsAre(Pair("collection", "x/exists")));
}

TEST(Router, UnknownPathsAndMethodsDoNotMatch) {
  const Router router(Routes());
  for (const char* path : {"/nothing", "//", "/collections//exists", "/healthz/..", "/HEALTHZ",
                           "/collections/c/points/1/2/3"}) {
    SCOPED_TRACE(path);
    const auto match = router.Match("GET", path);
    ASSERT_TRUE(match.has_value());
    EXPECT_EQ(match->route, nullptr);
  }
  const auto wrong_method = router.Match("PATCH", "/collections/c/points");
  ASSERT_TRUE(wrong_method.has_value());
  EXPECT_EQ(wrong_method->route, nullptr);
  EXPECT_THAT(wrong_method->allowed_methods, ::testing::UnorderedElementsAre("PUT", "POST"));
}

TEST(Router, RefusesBrokenEscapes) {
  const Router router(Routes());
  for (const char* path : {"/collections/%", "/collections/%4", "/collections/%zz",
                           "/collections/%00", "/collections/%ff"}) {
    SCOPED_TRACE(path);
    EXPECT_FALSE(router.Match("GET", path).has_value());
  }
}

TEST(ParseQueryString, DecodesPairs) {
  const auto values = ParseQueryString("a=1&b=x%20y+z&flag&&c=%3D");
  ASSERT_TRUE(values.has_value());
  EXPECT_THAT(*values,
              ElementsAre(Pair("a", "1"), Pair("b", "x y z"), Pair("flag", ""), Pair("c", "=")));
}

ApplicationOptions WithKey() {
  ApplicationOptions options;
  options.authentication.api_key = "0123456789abcdef";
  return options;
}

TEST(Authentication, EveryRouteButTheOpenOnesNeedsTheKey) {
  TestApplication server(WithKey());
  std::vector<std::string> open;
  for (const Route& route : Routes()) {
    const Answer answer = server.Call(std::string(route.method), std::string(route.pattern));
    if (answer.status != 401) open.emplace_back(route.pattern);
  }
  EXPECT_THAT(open,
              ElementsAre("/", "/healthz", "/livez", "/readyz", "/dashboard", "/dashboard/{file}"));
  for (const char* path : {"/nothing", "/healthz%2f../collections", "/livez/../collections",
                           "/dashboard%2f..%2fcollections"}) {
    SCOPED_TRACE(path);
    EXPECT_EQ(server.Call("GET", path).status, 401u);
  }
}

TEST(Authentication, WithoutAKeyOnlyNamesOfThisMachineAreAnswered) {
  ApplicationOptions options;
  options.local_names_only = true;
  TestApplication server(options);
  const auto status = [&](const char* host) {
    return server.Call("GET", "/collections", "", {{"host", host}}).status;
  };
  for (const char* host : {"localhost", "LOCALHOST:7333", "127.0.0.1:7333", "127.1.2.3",
                           "[::1]:7333", "[::1]", "almagest.localhost:80"}) {
    EXPECT_EQ(status(host), 200u) << host;
  }
  for (const char* host :
       {"example.com", "127.0.0.1.example.com", "127.example.com:7333", "[::2]:80",
        "localhost.example.com", "notlocalhost", "192.168.0.7:7333", "", ":7333"}) {
    EXPECT_EQ(status(host), 403u) << host;
  }
  EXPECT_EQ(server.Call("GET", "/collections").status, 200u) << "no browser sends none";
  EXPECT_EQ(server.Call("GET", "/dashboard/index.html", "", {{"host", "example.com"}}).status,
            403u);
  TestApplication with_key(WithKey());
  EXPECT_EQ(with_key.Call("GET", "/healthz", "", {{"host", "example.com"}}).status, 200u);
}

TEST(Authentication, TakesBothHeadersAndNothingElse) {
  TestApplication server(WithKey());
  const auto status = [&](const char* name, const char* value) {
    return server.Call("GET", "/collections", "", {{name, value}}).status;
  };
  EXPECT_EQ(status("api-key", "0123456789abcdef"), 200u);
  EXPECT_EQ(status("authorization", "Bearer 0123456789abcdef"), 200u);
  EXPECT_EQ(status("authorization", "bearer 0123456789abcdef"), 200u);
  EXPECT_EQ(status("api-key", "0123456789abcdeF"), 401u);
  EXPECT_EQ(status("api-key", "0123456789abcde"), 401u);
  EXPECT_EQ(status("api-key", ""), 401u);
  EXPECT_EQ(status("authorization", "Basic 0123456789abcdef"), 401u);
  EXPECT_EQ(status("authorization", "Bearer"), 401u);
}

TEST(Authentication, KnowsWhichAddressesOthersCanReach) {
  EXPECT_TRUE(IsLoopback("127.0.0.1"));
  EXPECT_TRUE(IsLoopback("localhost"));
  EXPECT_TRUE(IsLoopback("::1"));
  EXPECT_FALSE(IsLoopback("0.0.0.0"));
  EXPECT_FALSE(IsLoopback("::"));
  EXPECT_FALSE(IsLoopback("192.168.0.1"));
}

TEST(Application, RefusesWrongMethodsAndContentTypes) {
  TestApplication server;
  const Answer wrong_method = server.Call("PATCH", "/collections");
  EXPECT_EQ(wrong_method.status, 405u);
  EXPECT_EQ(wrong_method.Header("Allow"), "GET");
  EXPECT_EQ(server.Call("GET", "/nothing").status, 404u);
  EXPECT_EQ(server.Call("GET", "/collections/%zz").status, 400u);
  // As a form on another site would send it.
  const Answer form = server.Call("PUT", "/collections/c", "",
                                  {{"content-length", "2"}, {"content-type", "text/plain"}});
  EXPECT_EQ(form.status, 415u);
  const auto created = [&](const char* type) {
    return server.Call("PUT", "/collections/" + std::to_string(std::string(type).size()), "{}",
                       {{"content-length", "2"}, {"content-type", type}});
  };
  EXPECT_EQ(created("Application/JSON").status, 200u);
  EXPECT_EQ(created("application/json ; charset=utf-8").status, 200u);
  EXPECT_EQ(created("application/jsonx").status, 415u);
  // Whole URLs, as proxies send them.
  EXPECT_EQ(server.Call("GET", "http://localhost:7333/healthz").status, 200u);
  EXPECT_EQ(server.Call("GET", "http://localhost:7333").status, 200u);
  EXPECT_EQ(server.Call("GET", "/collections/c/exists").result().at("exists"), false);
}

}  // namespace
}  // namespace almagest
