// Snapshots through the API: made, listed, fetched, verified, recovered whole or not at all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "engine/snapshot/sha256.h"
#include "http/multipart.h"
#include "storage/base/file.h"
#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Multipart, FindsThePart) {
  EXPECT_EQ(MultipartBoundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(MultipartBoundary("Multipart/Form-Data; charset=utf-8; boundary=\"a b\""), "a b");
  EXPECT_EQ(MultipartBoundary("application/json"), std::nullopt);
  EXPECT_EQ(MultipartBoundary("multipart/form-data"), std::nullopt);
  const std::string body =
      "--x\r\nContent-Disposition: form-data; name=\"other\"\r\n\r\none\r\n"
      "--x\r\ncontent-disposition: form-data; filename=\"f\"; name=\"snapshot\"\r\n"
      "Content-Type: application/octet-stream\r\n\r\n\r\n--y\r\n\r\n--x--\r\n";
  EXPECT_EQ(FindPart(body, "x", "other"), "one");
  EXPECT_EQ(FindPart(body, "x", "snapshot"), "\r\n--y\r\n");
  EXPECT_EQ(FindPart(body, "x", "name"), std::nullopt);
  EXPECT_EQ(FindPart(body, "z", "snapshot"), std::nullopt);
  for (size_t size = 0; size < body.size() - 4; ++size) {
    EXPECT_EQ(FindPart(std::string_view(body).substr(0, size), "x", "snapshot"), std::nullopt)
        << size;
  }
}

class SnapshotApiTest : public ::testing::Test {
 protected:
  SnapshotApiTest() {
    server_.Call("PUT", "/collections/c",
                 R"({"vectors": {"d": {"size": 2, "distance": "Cosine"}},
                     "sparse_vectors": {"s": {"modifier": "idf"}}, "metadata": {"m": 1}})");
    server_.Call("PUT", "/collections/c/index",
                 R"({"field_name": "n", "field_schema": "integer"})");
    Upsert(0, 20);
  }
  void Upsert(int first, int last) {
    nlohmann::json points = nlohmann::json::array();
    for (int i = first; i < last; ++i) {
      points.push_back(
          {{"id", i},
           {"vector", {{"d", {1.0, i}}, {"s", {{"indices", {i, i + 1}}, {"values", {1.0, 2.0}}}}}},
           {"payload", {{"n", i}}}});
    }
    const auto answer =
        server_.Call("PUT", "/collections/c/points", nlohmann::json{{"points", points}}.dump());
    ASSERT_EQ(answer.status, 200u) << answer.text;
  }
  std::string Scroll(const std::string& name = "c") {
    const Answer answer = server_.Call("POST", "/collections/" + name + "/points/scroll",
                                       R"({"limit": 1000, "with_vector": true})");
    return answer.status == 200 ? answer.result().dump() : std::to_string(answer.status);
  }
  nlohmann::json Create() { return server_.Call("POST", "/collections/c/snapshots").result(); }
  std::string Fetch(const nlohmann::json& snapshot) {
    return server_.Call("GET", "/collections/c/snapshots/" + snapshot["name"].get<std::string>())
        .text;
  }
  Answer Upload(const std::string& name, const std::string& content,
                const std::string& query = "") {
    const std::string body =
        "--b\r\nContent-Disposition: form-data; name=\"snapshot\"; filename=\"f\"\r\n\r\n" +
        content + "\r\n--b--\r\n";
    return server_.Call("POST", "/collections/" + name + "/snapshots/upload" + query, body,
                        {{"content-type", "multipart/form-data; boundary=b"}});
  }
  std::string FilesUnder(const std::filesystem::path& folder) {
    std::string names;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      names += entry.path().string() + "\n";
    }
    return names;
  }

  TestApplication server_;
};

TEST_F(SnapshotApiTest, AreMadeListedFetchedAndDeleted) {
  EXPECT_EQ(server_.Call("GET", "/collections/c/snapshots").result().dump(), "[]");
  const auto made = Create();
  EXPECT_THAT(made["name"].get<std::string>(), StartsWith("c-"));
  const auto listed = server_.Call("GET", "/collections/c/snapshots").result();
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0], made);
  const std::string content = Fetch(made);
  EXPECT_EQ(content.size(), made["size"]);
  EXPECT_EQ(Sha256Hex(std::as_bytes(std::span(content))), made["checksum"]);
  const std::string path = "/collections/c/snapshots/" + made["name"].get<std::string>();
  EXPECT_EQ(server_.Call("DELETE", path).status, 200u);
  EXPECT_EQ(server_.Call("DELETE", path).status, 404u);
  EXPECT_EQ(server_.Call("GET", path).status, 404u);
  EXPECT_EQ(server_.Call("GET", "/collections/none/snapshots").status, 404u);
}

TEST_F(SnapshotApiTest, TakeACollectionBackToWhatItWas) {
  const std::string before = Scroll();
  const std::string config = server_.Call("GET", "/collections/c").result()["config"].dump();
  server_.Call("POST", "/collections/aliases",
               R"({"actions": [{"create_alias": {"alias_name": "x", "collection_name": "c"}}]})");
  const std::string content = Fetch(Create());
  Upsert(5, 40);
  server_.Call("DELETE", "/collections/c/index/n");
  ASSERT_NE(Scroll(), before);
  const Answer recovered = Upload("x", content);
  ASSERT_EQ(recovered.status, 200u) << recovered.text;
  EXPECT_EQ(recovered.result(), true);
  EXPECT_EQ(Scroll(), before);
  EXPECT_EQ(Scroll("x"), before) << "aliases lead to the new one";
  EXPECT_EQ(server_.Call("GET", "/collections/c").result()["config"].dump(), config);
  EXPECT_EQ(server_.Call("GET", "/collections/c").result()["payload_schema"]["n"]["points"], 20);
  Upsert(20, 30);
  ASSERT_EQ(Upload("other", content, "?priority=snapshot&wait=true").status, 200u);
  EXPECT_EQ(Scroll("other"), before);
}

TEST_F(SnapshotApiTest, RecoverFromTheirFolderAndNowhereElse) {
  const std::string before = Scroll();
  const auto made = Create();
  const auto folder = server_.folder() / "data" / "snapshots";
  const std::string file =
      "file://" + (folder / "collections" / "c").string() + "/" + made["name"].get<std::string>();
  const auto recover = [&](const std::string& location, const std::string& checksum = "") {
    nlohmann::json body{{"location", location}};
    if (!checksum.empty()) body["checksum"] = checksum;
    return server_.Call("PUT", "/collections/again/snapshots/recover", body.dump());
  };
  const Answer mismatch = recover(file, std::string(64, '3'));
  EXPECT_EQ(mismatch.status, 400u);
  EXPECT_THAT(mismatch.error(), StartsWith("Checksum mismatch:"));
  EXPECT_EQ(Scroll("again"), "404");
  EXPECT_EQ(recover(file, made["checksum"]).status, 200u);
  EXPECT_EQ(Scroll("again"), before);
  const auto refusal = [&](const std::string& location) {
    const Answer answer = recover(location);
    return std::to_string(answer.status) + " " + answer.error();
  };
  EXPECT_EQ(refusal("file://whatever.snapshot"),
            "400 Bad request: Invalid snapshot URI, file path must be absolute or on localhost");
  EXPECT_EQ(refusal("file:///whatever.snapshot"),
            "400 Bad request: Snapshot file \"/whatever.snapshot\" does not exist");
  EXPECT_THAT(
      refusal("file:///etc/passwd"),
      StartsWith("403 Forbidden: Snapshot file path must be inside the snapshots directory"));
  EXPECT_THAT(refusal("file://localhost" + (folder / "../store/VERSION").string()),
              StartsWith("403 "));
  std::filesystem::create_symlink("/etc/passwd", folder / "store" / "link.snapshot");
  EXPECT_THAT(refusal("file://" + (folder / "store" / "link.snapshot").string()),
              StartsWith("403 "));
  EXPECT_EQ(server_.Call("GET", "/snapshots").result().dump(), "[]") << "links are no snapshots";
  EXPECT_EQ(server_.Call("GET", "/snapshots/link.snapshot").status, 404u);
  EXPECT_THAT(refusal("file://" + folder.string()), StartsWith("403 "));
  for (const char* url : {"http://127.0.0.1:1/x", "http://169.254.169.254/latest", "ftp://a/b",
                          "http://user@host/x", "http://[::1]/x", "gopher:x"}) {
    EXPECT_THAT(refusal(url), ::testing::AnyOf(StartsWith("403 "), StartsWith("400 "))) << url;
  }
}

TEST_F(SnapshotApiTest, NamesAreNeverPaths) {
  for (const char* name : {"..%2F..%2Fstore%2FVERSION", "%2e%2e", "..", ".", "%2Fetc%2Fpasswd"}) {
    EXPECT_EQ(server_.Call("GET", std::string("/snapshots/") + name).status, 404u) << name;
    EXPECT_EQ(server_.Call("DELETE", std::string("/snapshots/") + name).status, 404u) << name;
    EXPECT_EQ(server_.Call("GET", std::string("/collections/c/snapshots/") + name).status, 404u);
  }
  EXPECT_NE(Upload("..%2Fx", "content").status, 200u);
}

TEST_F(SnapshotApiTest, WhatIsDamagedChangesNothing) {
  const std::string content = Fetch(Create());
  Upsert(20, 25);
  const std::string before = Scroll();
  const std::string files = FilesUnder(server_.folder() / "data" / "collections");
  std::vector<std::string> damaged = {"", "garbage", content + "x", content.substr(0, 8)};
  for (size_t position = 0; position < content.size(); position += 97) {
    damaged.push_back(content);
    damaged.back()[position] ^= 0x20;
    damaged.push_back(content.substr(0, position));
  }
  for (const std::string& bad : damaged) {
    const Answer answer = Upload("c", bad);
    ASSERT_EQ(answer.status, 400u) << bad.size() << " " << answer.text;
    EXPECT_THAT(answer.error(), HasSubstr("snapshot"));
  }
  EXPECT_EQ(Scroll(), before);
  EXPECT_EQ(FilesUnder(server_.folder() / "data" / "collections"), files);
  EXPECT_TRUE(std::filesystem::is_empty(server_.folder() / "data" / "snapshots" / "temporary"));
  const Answer wrong = server_.Call("POST", "/collections/c/snapshots/upload", "{}");
  EXPECT_EQ(wrong.status, 415u);
  const Answer no_part = server_.Call("POST", "/collections/c/snapshots/upload", "--b--\r\n",
                                      {{"content-type", "multipart/form-data; boundary=b"}});
  EXPECT_EQ(no_part.status, 400u);
  EXPECT_EQ(Upload("c", content, "?priority=mine").status, 400u);
}

TEST_F(SnapshotApiTest, OfTheWholeStore) {
  server_.Call("PUT", "/collections/second", R"({"vectors": {"size": 1, "distance": "Dot"}})");
  server_.Call("POST", "/collections/aliases",
               R"({"actions": [{"create_alias": {"alias_name": "x", "collection_name": "c"}}]})");
  const std::string before = Scroll();
  const auto made = server_.Call("POST", "/snapshots").result();
  EXPECT_THAT(made["name"].get<std::string>(), StartsWith("full-snapshot-"));
  EXPECT_EQ(server_.Call("GET", "/snapshots").result().size(), 1u);
  const std::string content =
      server_.Call("GET", "/snapshots/" + made["name"].get<std::string>()).text;
  EXPECT_EQ(Upload("c", content).status, 400u) << "two collections";
  const auto bytes = std::as_bytes(std::span(content));
  TestApplication elsewhere;
  ASSERT_TRUE(elsewhere.database().RecoverStore(bytes, false));
  EXPECT_THAT(elsewhere.database().CollectionNames(), ::testing::ElementsAre("c", "second"));
  EXPECT_EQ(elsewhere.database().Aliases().at("x"), "c");
  const auto again = elsewhere.database().RecoverStore(bytes, false);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(elsewhere.database().RecoverStore(bytes, true));
  EXPECT_EQ(
      elsewhere
          .Call("POST", "/collections/x/points/scroll", R"({"limit": 1000, "with_vector": true})")
          .result()
          .dump(),
      before);
}

TEST_F(SnapshotApiTest, InTheBackground) {
  const Answer accepted = server_.Call("POST", "/collections/c/snapshots?wait=false");
  EXPECT_EQ(accepted.status, 202u);
  EXPECT_EQ(accepted.body["status"], "accepted");
  EXPECT_FALSE(accepted.body.contains("result"));
  nlohmann::json listed = nlohmann::json::array();
  for (int i = 0; i < 2000 && listed.empty(); ++i) {
    listed = server_.Call("GET", "/collections/c/snapshots").result();
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(listed.size(), 1u);
  EXPECT_EQ(server_.Call("POST", "/collections/none/snapshots?wait=false").status, 404u);
}

TEST_F(SnapshotApiTest, AreOfOneMomentWhileWritesGoOn) {
  std::atomic<bool> stop{false};
  std::thread writing([&] {
    // Two points in one request always have the same payload.
    for (int i = 0; !stop; ++i) {
      server_.Call("POST", "/collections/c/points/payload",
                   R"({"points": [1, 2], "payload": {"same": )" + std::to_string(i) + "}}");
    }
  });
  for (int round = 0; round < 5; ++round) {
    const std::string content = Fetch(Create());
    ASSERT_EQ(Upload("copy", content).status, 200u);
    const auto points = server_.Call("POST", "/collections/copy/points",
                                     R"({"ids": [1, 2], "with_payload": ["same"]})");
    EXPECT_EQ(points.result()[0]["payload"], points.result()[1]["payload"]);
  }
  stop = true;
  writing.join();
}

}  // namespace
}  // namespace almagest
