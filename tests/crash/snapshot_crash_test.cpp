// kill -9 while snapshots are made and recovered: afterwards a collection is what it was or what
// the snapshot holds, as a whole; a whole store too. What is listed as a snapshot is one, and no
// files are left that belong to none.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <thread>

#include "tests/client/scratch_folder.h"
#include "tests/crash/server_process.h"

namespace almagest::client {
namespace {

namespace fs = std::filesystem;

// A collection is in one of two states, which every point of it tells.
uint64_t PointsOf(int state) { return 300 + 100 * static_cast<uint64_t>(state); }

void Fill(Client& client, const std::string& collection, int state) {
  Json ids = Json::array();
  for (uint64_t id = PointsOf(state); id < PointsOf(3); ++id) ids.push_back(id);
  client.DeletePoints(collection, {{"points", ids}});
  Json points = Json::array();
  for (uint64_t id = 0; id < PointsOf(state); ++id) {
    points.push_back({{"id", id}, {"vector", {id, state}}, {"payload", {{"state", state}}}});
  }
  client.Upsert(collection, points);
}

void CreateFilled(Client& client, const std::string& collection, int state) {
  client.CreateCollection(collection, {{"vectors", {{"size", 2}, {"distance", "Dot"}}}});
  client.CreatePayloadIndex(collection, "state", "integer");
  Fill(client, collection, state);
}

// 0 where it is in none.
int StateOf(Client& client, const std::string& collection) {
  int state = 0;
  for (const int candidate : {1, 2}) {
    const Json condition = {{"key", "state"}, {"match", {{"value", candidate}}}};
    const uint64_t count = client.Count(collection, {{"must", Json::array({condition})}});
    if (count == PointsOf(candidate) && client.Count(collection) == count) state = candidate;
  }
  return state;
}

void CheckFiles(const fs::path& snapshots) {
  for (const auto& entry : fs::recursive_directory_iterator(snapshots)) {
    if (!entry.is_regular_file()) continue;
    const fs::path path = entry.path();
    EXPECT_TRUE(path.extension() == ".snapshot" || path.extension() == ".checksum") << path;
    if (path.extension() == ".checksum") {
      EXPECT_TRUE(fs::exists(fs::path(path).replace_extension())) << path;
    } else {
      EXPECT_TRUE(fs::exists(path.string() + ".checksum")) << path;
    }
  }
}

// Runs `work` again and again until the server is gone.
template <class Work>
void RepeatUntilKilled(const ServerProcess& server, const Work& work) {
  Client client = server.Connect();
  try {
    for (;;) work(client);
  } catch (const ClientError& error) {
    EXPECT_TRUE(error.unreachable()) << error.what();
  }
}

Json Location(const fs::path& file) { return {{"location", "file://" + file.string()}}; }

TEST(SnapshotCrash, CollectionsAreWholeAfterwards) {
  std::mt19937_64 random(3);
  const ScratchFolder folder;
  const fs::path own = fs::absolute(folder / "data" / "snapshots" / "collections" / "c");
  fs::path files[3];  // By state.
  int acknowledged = 2;
  int under_way = 2;
  constexpr int kRounds = 5;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ServerProcess server(folder / "data");
    Client client = server.Connect();
    if (round == 0) {
      CreateFilled(client, "c", 1);
      files[1] = own / client.Call("POST", "/collections/c/snapshots")["name"].get<std::string>();
      Fill(client, "c", 2);
      files[2] = own / client.Call("POST", "/collections/c/snapshots")["name"].get<std::string>();
    }
    const int state = StateOf(client, "c");
    ASSERT_TRUE(state == acknowledged || state == under_way) << "state " << state;
    CheckFiles(folder / "data" / "snapshots");
    const Json listed = client.Call("GET", "/collections/c/snapshots");
    for (const Json& snapshot : {listed.front(), listed.back()}) {
      EXPECT_EQ(snapshot.at("checksum").get<std::string>().size(), 64u);
      client.Call("PUT", "/collections/copy/snapshots/recover",
                  Location(own / snapshot.at("name").get<std::string>()));
      EXPECT_NE(StateOf(client, "copy"), 0) << snapshot;
    }
    acknowledged = under_way = state;
    std::thread recovering([&] {
      RepeatUntilKilled(server, [&](Client& own_client) {
        under_way = 3 - acknowledged;
        own_client.Call("PUT", "/collections/c/snapshots/recover", Location(files[under_way]));
        acknowledged = under_way;
      });
    });
    std::thread creating([&] {
      RepeatUntilKilled(server, [](Client& own_client) {
        own_client.Call("POST", "/collections/copy/snapshots");
        own_client.Call("POST", "/snapshots");
      });
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(5 + random() % 120));
    server.Kill();
    recovering.join();
    creating.join();
  }
}

TEST(SnapshotCrash, AStoreIsOldOrNewAsAWhole) {
  std::mt19937_64 random(4);
  const ScratchFolder folder;
  const fs::path data = folder / "data";
  const fs::path file = fs::absolute(folder / "store.snapshot");
  {
    ServerProcess server(data);
    Client client = server.Connect();
    CreateFilled(client, "a", 1);
    CreateFilled(client, "b", 1);
    const Json made = client.Call("POST", "/snapshots");
    fs::copy_file(data / "snapshots" / "store" / made.at("name").get<std::string>(), file);
    Fill(client, "a", 2);
    Fill(client, "b", 2);
    EXPECT_EQ(server.Stop(), 0);
  }
  const std::vector<std::string> recovery = {"--storage-snapshot", file.string(),
                                             "--force-snapshot"};
  std::vector<std::string> arguments = {"--data", data.string(), "--port", "0"};
  arguments.insert(arguments.end(), recovery.begin(), recovery.end());
  constexpr int kRounds = 5;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    StartAndKill(arguments, std::chrono::milliseconds(10 + random() % 60));
    ServerProcess server(data);
    Client client = server.Connect();
    const int state = StateOf(client, "a");
    EXPECT_NE(state, 0);
    EXPECT_EQ(StateOf(client, "b"), state);
    EXPECT_EQ(client.Call("GET", "/collections")["collections"].size(), 2u);
    Fill(client, "a", 2);
    Fill(client, "b", 2);
  }
  ServerProcess server(data, recovery);
  Client client = server.Connect();
  EXPECT_EQ(StateOf(client, "a"), 1);
  EXPECT_EQ(StateOf(client, "b"), 1);
}

TEST(SnapshotCrash, StartRemovesWhatBelongsToNoSnapshot) {
  const ScratchFolder folder;
  const fs::path snapshots = folder / "data" / "snapshots";
  for (const char* part : {"store", "collections/c", "temporary"}) {
    fs::create_directories(snapshots / part);
  }
  const auto write = [&](const char* name) { std::ofstream(snapshots / name) << "x"; };
  for (const char* orphan : {"store/a.snapshot.checksum", "store/a.snapshot.checksum.tmp",
                             "collections/c/a.snapshot.checksum",
                             "collections/c/b.snapshot.checksum.tmp", "temporary/12-1"}) {
    write(orphan);
  }
  // Whole ones, and what is not ours, stay.
  const std::vector<std::string> kept = {"collections/c/b.snapshot",
                                         "collections/c/b.snapshot.checksum", "store/notes.txt"};
  for (const std::string& name : kept) write(name.c_str());
  const ServerProcess server(folder / "data");
  std::vector<std::string> found;
  for (const auto& entry : fs::recursive_directory_iterator(snapshots)) {
    if (entry.is_regular_file()) found.push_back(fs::relative(entry.path(), snapshots).string());
  }
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, kept);
}

}  // namespace
}  // namespace almagest::client
