// Aliases lead to collections everywhere, change together or not at all, and survive a restart.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/http/test_application.h"

namespace almagest {
namespace {

using ::testing::HasSubstr;

class AliasTest : public ::testing::Test {
 protected:
  AliasTest() {
    for (const char* name : {"a", "b"}) {
      server_.Call("PUT", std::string("/collections/") + name,
                   R"({"vectors": {"size": 2, "distance": "Dot"}})");
    }
  }
  Answer Change(const std::string& actions) {
    return server_.Call("POST", "/collections/aliases", "{\"actions\": [" + actions + "]}");
  }
  std::map<std::string, std::string> Listed() { return server_.database().Aliases(); }
  static std::string Create(const std::string& alias, const std::string& collection) {
    return R"({"create_alias": {"alias_name": ")" + alias + R"(", "collection_name": ")" +
           collection + "\"}}";
  }

  TestApplication server_;
};

TEST_F(AliasTest, EveryCallTakesAnAlias) {
  ASSERT_EQ(Change(Create("x", "a")).status, 200u);
  EXPECT_EQ(server_
                .Call("PUT", "/collections/x/points", R"({"points": [{"id": 1, "vector":
      [1, 0], "payload": {"n": 1}}]})")
                .status,
            200u);
  EXPECT_EQ(server_.Call("POST", "/collections/a/points/count", "{}").result()["count"], 1);
  EXPECT_EQ(
      server_
          .Call("PUT", "/collections/x/index", R"({"field_name": "n", "field_schema": "integer"})")
          .status,
      200u);
  EXPECT_EQ(server_.Call("PATCH", "/collections/x", R"({"metadata": {"k": 1}})").status, 200u);
  EXPECT_EQ(server_.Call("GET", "/collections/a").result()["config"]["metadata"]["k"], 1);
  EXPECT_EQ(server_.Call("GET", "/collections/x/exists").result()["exists"], true);
  EXPECT_EQ(server_.Call("GET", "/collections").result()["collections"].size(), 2u);
}

TEST_F(AliasTest, OneBadChangeUndoesAll) {
  ASSERT_EQ(Change(Create("x", "a")).status, 200u);
  const auto before = Listed();
  const Answer absent = Change(Create("y", "a") + "," + Create("z", "absent"));
  EXPECT_EQ(absent.status, 404u);
  EXPECT_THAT(absent.error(), HasSubstr("Collection `absent` doesn't exist!"));
  EXPECT_EQ(Change(Create("y", "a") + "," + Create("b", "a")).status, 409u);
  EXPECT_EQ(Change(R"({"rename_alias": {"old_alias_name": "q", "new_alias_name": "r"}})").status,
            404u);
  EXPECT_EQ(Change(R"({"create_alias": {"alias_name": "y"}})").status, 400u);
  EXPECT_EQ(Change(Create("a/b", "a")).status, 422u);
  EXPECT_EQ(Listed(), before);
  const Answer taken = server_.Call("PUT", "/collections/x", R"({"vectors": {}})");
  EXPECT_EQ(taken.status, 400u);
  EXPECT_THAT(taken.error(), HasSubstr("Alias with the same name already exists"));
}

TEST_F(AliasTest, ADroppedCollectionTakesItsAliasesAlong) {
  ASSERT_EQ(Change(Create("x", "a") + "," + Create("y", "b")).status, 200u);
  EXPECT_EQ(server_.Call("DELETE", "/collections/x").result(), false);
  EXPECT_EQ(server_.Call("DELETE", "/collections/a").result(), true);
  EXPECT_EQ(Listed(), (std::map<std::string, std::string>{{"y", "b"}}));
  EXPECT_EQ(server_.Call("GET", "/collections/x").status, 404u);
}

TEST_F(AliasTest, RandomChangesAgainstAMap) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::map<std::string, std::string> model;
  const auto name = [&] { return "n" + std::to_string(random() % 5); };
  for (int step = 0; step < 200; ++step) {
    auto next = model;
    std::string actions;
    bool valid = true;
    for (size_t i = 0; i <= random() % 3; ++i) {
      if (!actions.empty()) actions += ",";
      const std::string first = name(), second = name();
      if (random() % 3 == 0) {
        const std::string collection = random() % 2 ? "a" : "b";
        actions += Create(first, collection);
        next[first] = collection;
      } else if (random() % 2 == 0) {
        actions += R"({"delete_alias": {"alias_name": ")" + first + "\"}}";
        next.erase(first);
      } else {
        actions += R"({"rename_alias": {"old_alias_name": ")" + first +
                   R"(", "new_alias_name": ")" + second + "\"}}";
        valid = valid && next.contains(first);
        if (next.contains(first)) {
          const std::string collection = next.at(first);
          next.erase(first);
          next[second] = collection;
        }
      }
    }
    EXPECT_EQ(Change(actions).status, valid ? 200u : 404u) << actions;
    if (valid) model = std::move(next);
    ASSERT_EQ(Listed(), model) << actions;
  }
}

TEST(AliasRestart, AliasesAreStored) {
  const auto folder = std::filesystem::temp_directory_path() /
                      ("almagest-alias-" + std::to_string(std::random_device{}()));
  DatabaseOptions options;
  options.data_directory = folder;
  options.optimizer_enabled = false;
  {
    auto database = *Database::Open(options);
    CollectionConfig config;
    config.dense[""].dimension = 2;
    ASSERT_TRUE(database->CreateCollection("c", config));
    const AliasChange changes[] = {CreateAlias{"x", "c"}, CreateAlias{"y", "c"}, DeleteAlias{"y"}};
    ASSERT_TRUE(database->ChangeAliases(changes));
  }
  {
    auto database = *Database::Open(options);
    EXPECT_EQ(database->Aliases(), (std::map<std::string, std::string>{{"x", "c"}}));
    ASSERT_TRUE(database->FindCollection("x"));
    EXPECT_EQ((*database->FindCollection("x"))->name(), "c");
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace almagest
