// kill -9 while points are written and segments are sealed: every acknowledged batch is there
// afterwards, every point once, and the batch that was under way is there as a whole or not at all.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/client/scratch_folder.h"
#include "tests/crash/server_process.h"

namespace almagest::client {
namespace {

constexpr const char* kCollection = "crash";
constexpr uint64_t kIds = 1'500;  // Batches meet again and again, so points are overwritten too.
constexpr size_t kBatchPoints = 20;
constexpr int kDimension = 8;

// Small whole numbers: exact as float and in JSON.
std::vector<int> VectorOf(uint64_t id, uint64_t batch) {
  std::vector<int> vector(kDimension);
  for (int i = 0; i < kDimension; ++i) {
    vector[static_cast<size_t>(i)] = static_cast<int>((id * 31 + batch * 17 + 7u * i) % 1'000);
  }
  return vector;
}

// What a batch does: upserts of some points, or deletes of some.
struct Batch {
  uint64_t number = 0;
  bool deletes = false;
  std::set<uint64_t> ids;
};

// Id -> number of the batch that wrote it last.
using Model = std::map<uint64_t, uint64_t>;

void Apply(const Batch& batch, Model& model) {
  for (const uint64_t id : batch.ids) {
    if (batch.deletes) {
      model.erase(id);
    } else {
      model[id] = batch.number;
    }
  }
}

Batch MakeBatch(uint64_t number, std::mt19937_64& random) {
  Batch batch;
  batch.number = number;
  batch.deletes = random() % 8 == 0;
  while (batch.ids.size() < kBatchPoints) batch.ids.insert(random() % kIds);
  return batch;
}

void Send(Client& client, const Batch& batch) {
  if (batch.deletes) {
    client.DeletePoints(kCollection, {{"points", batch.ids}});
    return;
  }
  Json points = Json::array();
  for (const uint64_t id : batch.ids) {
    points.push_back({{"id", id},
                      {"vector", VectorOf(id, batch.number)},
                      {"payload", {{"batch", batch.number}, {"id", id}}}});
  }
  client.Upsert(kCollection, points);
}

// Reads everything and checks that each point is there once with the vector and payload of one
// batch; returns which.
Model ReadAll(Client& client) {
  Model found;
  Json request = {{"limit", 500}, {"with_payload", true}, {"with_vector", true}};
  for (;;) {
    const Page page = client.Scroll(kCollection, request);
    for (const Json& point : page.points) {
      const auto id = point.at("id").get<uint64_t>();
      const auto batch = point.at("payload").at("batch").get<uint64_t>();
      EXPECT_EQ(point.at("payload").at("id").get<uint64_t>(), id);
      EXPECT_EQ(point.at("vector").get<std::vector<int>>(), VectorOf(id, batch)) << "point " << id;
      EXPECT_TRUE(found.emplace(id, batch).second) << "point " << id << " is there twice";
    }
    if (page.next_offset.is_null()) return found;
    request["offset"] = page.next_offset;
  }
}

// Searching exactly for every point's own place must find it once: the index and the store agree.
void CheckSearch(Client& client, const Model& model, std::mt19937_64& random) {
  const QueryAnswer answer =
      client.Query(kCollection, {{"query", VectorOf(random() % kIds, 1)}, {"limit", kIds + 10}});
  std::set<uint64_t> ids;
  for (const Json& point : answer.points) {
    EXPECT_TRUE(ids.insert(point.at("id").get<uint64_t>()).second) << "found twice";
  }
  EXPECT_EQ(ids.size(), model.size());
  EXPECT_EQ(client.Count(kCollection), model.size());
}

struct Ingest {
  Model acknowledged;
  Batch under_way;  // The batch without an answer when the server died.
  bool has_under_way = false;
};

// Writes until the connection breaks.
void WriteUntilKilled(const ServerProcess& server, uint64_t& number, std::mt19937_64& random,
                      Ingest& ingest) {
  Client client = server.Connect();
  try {
    for (;;) {
      const Batch batch = MakeBatch(++number, random);
      ingest.under_way = batch;
      ingest.has_under_way = true;
      Send(client, batch);
      Apply(batch, ingest.acknowledged);
      ingest.has_under_way = false;
    }
  } catch (const ClientError& error) {
    EXPECT_TRUE(error.unreachable()) << error.what();
  }
}

void RunRounds(uint64_t seed, int rounds, uint32_t seal_rows, const char* durability) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const ScratchFolder folder;
  Ingest ingest;
  uint64_t number = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ServerProcess server(folder / "data");
    {
      Client client = server.Connect();
      if (round == 0) {
        client.CreateCollection(
            kCollection, {{"vectors", {{"size", kDimension}, {"distance", "Dot"}}},
                          {"almagest", {{"seal_rows", seal_rows}, {"durability", durability}}}});
      }
      const Model found = ReadAll(client);
      Model with_under_way = ingest.acknowledged;
      if (ingest.has_under_way) Apply(ingest.under_way, with_under_way);
      // Acknowledged: there. Under way: all of it or nothing.
      ASSERT_TRUE(found == ingest.acknowledged || found == with_under_way)
          << "found " << found.size() << " points, acknowledged were "
          << ingest.acknowledged.size();
      ingest.acknowledged = found;
      ingest.has_under_way = false;
      CheckSearch(client, found, random);
    }
    if (round + 1 == rounds) {
      EXPECT_EQ(server.Stop(), 0);
      break;
    }
    const auto life = std::chrono::milliseconds(20 + random() % 500);
    std::thread writer([&] { WriteUntilKilled(server, number, random, ingest); });
    std::this_thread::sleep_for(life);
    server.Kill();
    writer.join();
  }
}

// Segments are far away: only the log and the growing segment.
TEST(IngestCrash, AcknowledgedBatchesSurvive) { RunRounds(1, 6, 100'000, "sync"); }

// A segment is sealed every few batches, so most kills hit the optimizer too.
TEST(IngestCrash, WhileSegmentsAreSealed) { RunRounds(2, 8, 150, "process"); }

}  // namespace
}  // namespace almagest::client
