// Keys, tokens and what they allow: every route, before the body. And answers that are compressed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>

#include <set>

#include "http/compression.h"
#include "http/json_web_token.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

constexpr const char* kKey = "0123456789abcdef";
constexpr const char* kReadOnlyKey = "fedcba9876543210";

std::string Base64Url(const std::string& text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  encoded.resize(static_cast<size_t>(size));
  while (encoded.ends_with('=')) encoded.pop_back();
  for (char& c : encoded) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return encoded;
}

std::string Token(const std::string& claims, const std::string& key = kKey,
                  const std::string& header = R"({"alg":"HS256","typ":"JWT"})") {
  const std::string text = Base64Url(header) + "." + Base64Url(claims);
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  return text + "." + Base64Url({reinterpret_cast<char*>(mac), size});
}

NameValues Bearer(const std::string& key) { return {{"authorization", "Bearer " + key}}; }

class AccessTest : public ::testing::Test {
 protected:
  static ApplicationOptions Options() {
    ApplicationOptions options;
    options.authentication.api_key = kKey;
    options.authentication.alternative_api_key = "another-key-entirely";
    options.authentication.read_only_api_key = kReadOnlyKey;
    options.authentication.tokens = true;
    return options;
  }
  AccessTest() {
    for (const char* name : {"a", "b"}) {
      server_.Call("PUT", std::string("/collections/") + name,
                   R"({"vectors": {"size": 2, "distance": "Dot"}})", Bearer(kKey));
    }
  }
  unsigned Status(const char* method, const char* target, const std::string& key,
                  const std::string& body = "") {
    return server_.Call(method, target, body, Bearer(key)).status;
  }
  TestApplication server_{Options()};
};

TEST_F(AccessTest, EveryRouteButTheProbesAsksForAKey) {
  std::set<std::string> open;
  for (const Route& route : Routes()) {
    std::string path;
    for (size_t i = 0; i < route.pattern.size(); ++i) {
      if (route.pattern[i] == '{') {
        path += 'x';
        i = route.pattern.find('}', i);
      } else {
        path += route.pattern[i];
      }
    }
    HttpRequest request;
    request.method = route.method;
    request.path = path;
    const auto refusal = server_.application().Admit(request);
    if (!refusal) {
      open.insert(path);
    } else {
      EXPECT_EQ(refusal->status, 401u) << route.method << " " << path;
      EXPECT_EQ(request.upload, nullptr) << "nothing is written for those without a key";
    }
  }
  EXPECT_THAT(open, ::testing::UnorderedElementsAre("/", "/healthz", "/livez", "/readyz",
                                                    "/dashboard", "/dashboard/x"))
      << "the dashboard holds no data";
  for (const char* path : {"/none", "/collections/..%2f..", "/healthz%2f", "/healthz/x", "//"}) {
    EXPECT_EQ(server_.Call("GET", path).status, 401u) << path;
  }
}

TEST_F(AccessTest, KeysByEitherHeader) {
  EXPECT_EQ(server_.Call("GET", "/collections", "", {{"api-key", kKey}}).status, 200u);
  EXPECT_EQ(Status("GET", "/collections", kKey), 200u);
  EXPECT_EQ(Status("GET", "/collections", "another-key-entirely"), 200u);
  EXPECT_EQ(Status("GET", "/collections", ""), 401u);
  EXPECT_EQ(Status("GET", "/collections", "0123456789abcdeF"), 401u);
  EXPECT_EQ(server_.Call("GET", "/collections", "", {{"authorization", kKey}}).status, 401u);
  const Answer none = server_.Call("GET", "/collections");
  EXPECT_EQ(none.text, "Must provide an API key or an Authorization bearer token");
}

TEST_F(AccessTest, TheReadOnlyKeyReads) {
  EXPECT_EQ(Status("GET", "/collections/a", kReadOnlyKey), 200u);
  EXPECT_EQ(Status("GET", "/metrics", kReadOnlyKey), 200u);
  EXPECT_EQ(Status("POST", "/collections/a/points/count", kReadOnlyKey, "{}"), 200u);
  EXPECT_EQ(Status("PUT", "/collections/a/points", kReadOnlyKey, R"({"points": []})"), 403u);
  EXPECT_EQ(Status("DELETE", "/collections/a", kReadOnlyKey), 403u);
  EXPECT_EQ(Status("POST", "/snapshots", kReadOnlyKey), 403u);
  const Answer refused = server_.Call("DELETE", "/issues", "", Bearer(kReadOnlyKey));
  EXPECT_EQ(refused.status, 403u);
  EXPECT_EQ(refused.error(), "Forbidden: Global manage access is required");
}

// As Qdrant's own table of who may do what.
TEST_F(AccessTest, TokensForACollection) {
  const std::string r = Token(R"({"access": [{"collection": "a", "access": "r"}]})");
  const std::string rw = Token(R"({"access": [{"collection": "a", "access": "rw"}]})");
  const std::string prw = Token(R"({"access": [{"collection": "a", "access": "prw"}]})");
  struct Row {
    const char* method;
    const char* target;
    const char* body;
    bool r, prw, rw;
  };
  const Row rows[] = {
      {"GET", "/collections/a", "", true, true, true},
      {"GET", "/collections/b", "", false, false, false},
      {"POST", "/collections/a/points/scroll", "{}", true, true, true},
      {"POST", "/collections/b/points/scroll", "{}", false, false, false},
      {"PUT", "/collections/a/points", R"({"points": []})", false, true, true},
      {"PUT", "/collections/b/points", R"({"points": []})", false, false, false},
      {"PUT", "/collections/a/index", R"({"field_name": "n", "field_schema": "integer"})", false,
       false, true},
      {"GET", "/collections/a/snapshots", "", true, false, true},
      {"POST", "/collections/a/snapshots", "", false, false, true},
      {"GET", "/snapshots", "", false, false, false},
      {"GET", "/metrics", "", false, false, false},
      {"GET", "/telemetry", "", true, true, true},
      {"GET", "/issues", "", true, true, true},
      {"PATCH", "/collections/a", "{}", false, false, false},
      {"POST", "/collections/a/adaptations", "{}", false, false, false},
      {"POST", "/collections/aliases", R"({"actions": []})", false, false, false},
      {"POST", "/collections/a/points/query", R"({"query": 1, "lookup_from": {"collection": "b"}})",
       false, false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(std::string(row.method) + " " + row.target);
    EXPECT_EQ(Status(row.method, row.target, r, row.body) != 403, row.r);
    EXPECT_EQ(Status(row.method, row.target, prw, row.body) != 403, row.prw);
    EXPECT_EQ(Status(row.method, row.target, rw, row.body) != 403, row.rw);
  }
  const Answer listed = server_.Call("GET", "/collections", "", Bearer(r));
  EXPECT_EQ(listed.result()["collections"].dump(), R"([{"name":"a"}])");
}

TEST_F(AccessTest, TokensForEverything) {
  EXPECT_EQ(Status("DELETE", "/collections/none", Token(R"({"access": "m"})")), 200u);
  EXPECT_EQ(Status("DELETE", "/collections/none", Token("{}")), 200u) << "no access claim: all";
  EXPECT_EQ(Status("GET", "/metrics", Token(R"({"access": "r"})")), 200u);
  EXPECT_EQ(Status("DELETE", "/collections/none", Token(R"({"access": "r"})")), 403u);
}

TEST_F(AccessTest, TokensThatDoNotCount) {
  const auto answer = [&](const std::string& token) {
    const Answer refused = server_.Call("GET", "/collections", "", Bearer(token));
    return std::to_string(refused.status) + " " + refused.text;
  };
  const std::string good = Token(R"({"access": "m"})");
  EXPECT_EQ(answer(Token(R"({"access": "m"})", "wrong")), "403 InvalidSignature");
  EXPECT_EQ(answer(good.substr(0, good.size() - 3)), "403 InvalidSignature");
  EXPECT_EQ(answer(Token(R"({"exp": 1000000000})")), "403 ExpiredSignature");
  EXPECT_THAT(answer(Token(R"({"exp": 99999999999})")), HasSubstr("200"));
  const std::string unsigned_header = R"({"alg":"none"})";
  for (const std::string& token :
       {std::string("a.b.c"), std::string(".."), std::string("a.b"),
        Base64Url(unsigned_header) + "." + Base64Url("{}") + ".",
        Token("{}", kKey, R"({"alg":"HS512"})"), Token("[]"), Token("{"),
        Token(R"({"access": "w"})"), Token(R"({"access": [{"collection": "a"}]})"),
        Token(R"({"exp": "tomorrow"})"), good + "A", std::string(20'000, 'a') + ".b.c"}) {
    EXPECT_THAT(answer(token), ::testing::AnyOf(HasSubstr("401 "), HasSubstr("403 ")))
        << token.substr(0, 100);
  }
  EXPECT_THAT(
      answer(Token(R"({"access": [{"collection": "a", "access": "r", "payload": {"user": 1}}]})")),
      HasSubstr("401 "))
      << "a constraint that would not be kept";
}

TEST_F(AccessTest, ATokenMayDependOnAPoint) {
  const std::string token =
      Token(R"({"value_exists": {"collection": "b", "matches": [{"key": "id", "value": "t42"}]}})");
  EXPECT_EQ(Status("GET", "/collections/a", token), 401u);
  server_.Call("PUT", "/collections/b/points",
               R"({"points": [{"id": 1, "vector": {}, "payload": {"id": "t42"}}]})", Bearer(kKey));
  EXPECT_EQ(Status("GET", "/collections/a", token), 200u);
  server_.Call("POST", "/collections/b/points/delete", R"({"points": [1]})", Bearer(kKey));
  EXPECT_EQ(Status("GET", "/collections/a", token), 401u);
  server_.Call("DELETE", "/collections/b", "", Bearer(kKey));
  EXPECT_EQ(Status("GET", "/collections/a", token), 403u);
}

TEST(Compression, LongAnswersForThoseWhoTakeThem) {
  ApplicationOptions options;
  options.compressed_bytes_min = 400;
  TestApplication server(options);
  for (int i = 0; i < 30; ++i) {
    server.Call("PUT", "/collections/name" + std::to_string(i), "{}");
  }
  const Answer plain = server.Call("GET", "/collections");
  EXPECT_EQ(plain.Header("Content-Encoding"), "");
  EXPECT_EQ(plain.Header("Vary"), "Accept-Encoding");
  const NameValues accepts{{"accept-encoding", "deflate, gzip;q=0.5"}};
  const Answer packed = server.Call("GET", "/collections", "", accepts);
  ASSERT_EQ(packed.Header("Content-Encoding"), "gzip");
  std::string text(plain.text.size() + 100, '\0');
  z_stream stream{};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.text.data()));
  stream.avail_in = static_cast<uInt>(packed.text.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  EXPECT_THAT(text, HasSubstr(R"({"name":"name29"})"));
  EXPECT_EQ(server.Call("GET", "/collections/x/exists", "", accepts).Header("Content-Encoding"), "")
      << "short";
  EXPECT_TRUE(AcceptsGzip("br, GZIP"));
  EXPECT_TRUE(AcceptsGzip("*"));
  EXPECT_FALSE(AcceptsGzip("gzip;q=0"));
  EXPECT_FALSE(AcceptsGzip("gzip; q=0.00, br"));
  EXPECT_FALSE(AcceptsGzip("br"));
}

TEST(Compression, BodiesMayCome) {
  ApplicationOptions options;
  options.body_bytes_max = 1'000;
  TestApplication server(options);
  const auto send = [&](const std::string& body, const char* coding) {
    return server.Call("PUT", "/collections/c", body,
                       {{"content-length", std::to_string(body.size())},
                        {"content-type", "application/json"},
                        {"content-encoding", coding}});
  };
  const std::string packed = Gzip(R"({"vectors": {"size": 2, "distance": "Dot"}})");
  EXPECT_EQ(send(packed, "gzip").status, 200u);
  EXPECT_EQ(send(packed, "GZIP").status, 409u) << "it is there";
  EXPECT_EQ(send("{}", "identity").status, 409u);
  EXPECT_EQ(send(packed.substr(0, packed.size() - 1), "gzip").status, 400u);
  EXPECT_EQ(send(packed + "x", "gzip").status, 400u);
  EXPECT_EQ(send("{}", "gzip").status, 400u);
  // 1,000 bytes fit, 1,001 do not, nor do many in a few.
  EXPECT_EQ(send(Gzip("{}" + std::string(998, ' ')), "gzip").status, 409u);
  EXPECT_EQ(send(Gzip("{}" + std::string(999, ' ')), "gzip").status, 413u);
  EXPECT_EQ(send(Gzip(std::string(5'000'000, ' ')), "gzip").status, 413u);
  const Answer other = send(packed, "br");
  EXPECT_EQ(other.status, 415u);
  EXPECT_THAT(other.error(), HasSubstr("the Content-Encoding 'br' is not supported"));
  EXPECT_EQ(server
                .Call("POST", "/collections/c/snapshots/upload", packed,
                      {{"content-length", "9"},
                       {"content-type", "multipart/form-data; boundary=b"},
                       {"content-encoding", "gzip"}})
                .status,
            415u);
}

}  // namespace
}  // namespace almagest
