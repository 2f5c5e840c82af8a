// kill -9 while an adapter version is activated and while documents are re-embedded: afterwards one
// of the two versions is active, every point is there once with its base vector, and re-embedding
// can be finished.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "tests/client/scratch_folder.h"
#include "tests/crash/server_process.h"

namespace almagest::client {
namespace {

constexpr const char* kCollection = "migration";
constexpr const char* kVector = "v";
constexpr uint64_t kPoints = 2'000;
constexpr size_t kDimension = 16;
constexpr uint64_t kVersion = 1;

std::vector<float> VectorOf(uint64_t id) {
  std::mt19937_64 random(id);
  std::vector<float> vector(kDimension);
  float squares = 0;
  for (size_t i = 0; i < kDimension; ++i) {
    // Stretched along some axes, so that whitening changes something.
    const double value = static_cast<double>(random() % 2'001) / 1'000 - 1;
    vector[i] = static_cast<float>(value * static_cast<double>(1 + i));
    squares += vector[i] * vector[i];
  }
  for (float& value : vector) value /= std::sqrt(squares);
  return vector;
}

// A data folder with a filled collection and one candidate version, made once (it takes a trainer
// run) and copied for each round.
class MigrationCrash : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new ScratchFolder();
    ServerProcess server(*folder_ / "data", TrainerArguments());
    Client client = server.Connect();
    client.CreateCollection(
        kCollection, {{"vectors", {{kVector, {{"size", kDimension}, {"distance", "Cosine"}}}}},
                      {"almagest", {{"seal_rows", 300}}}});
    for (uint64_t first = 0; first < kPoints; first += 500) {
      Json points = Json::array();
      for (uint64_t id = first; id < first + 500; ++id) {
        points.push_back({{"id", id},
                          {"vector", {{kVector, VectorOf(id)}}},
                          {"payload", {{"name", "point " + std::to_string(id)}}}});
      }
      client.Upsert(kCollection, points);
    }
    const std::string job = client.StartAdaptation(
        kCollection, {{"using", kVector}, {"objective", "whitening"}, {"activate", false}});
    const Json ended = client.FollowJob(job, [](const Json&) { return true; });
    ASSERT_EQ(ended.value("version", uint64_t{0}), kVersion) << ended.dump();
    ASSERT_EQ(server.Stop(), 0);
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  std::filesystem::path CopyOfData(const ScratchFolder& scratch) {
    std::filesystem::copy(*folder_ / "data", scratch / "data",
                          std::filesystem::copy_options::recursive);
    return scratch / "data";
  }

  static uint64_t ActiveVersion(Client& client) {
    return client.Versions(kCollection, kVector).at("active").get<uint64_t>();
  }

  // Every point once, with its payload and its base vector.
  static void CheckPoints(Client& client) {
    std::set<uint64_t> found;
    Json request = {{"limit", 500}, {"with_payload", true}, {"with_vector", true}};
    for (;;) {
      const Page page = client.Scroll(kCollection, request);
      for (const Json& point : page.points) {
        const auto id = point.at("id").get<uint64_t>();
        EXPECT_TRUE(found.insert(id).second) << "point " << id << " is there twice";
        EXPECT_EQ(point.at("payload").at("name"), "point " + std::to_string(id));
        const auto vector = point.at("vector").at(kVector).get<std::vector<float>>();
        const std::vector<float> expected = VectorOf(id);
        ASSERT_EQ(vector.size(), expected.size());
        for (size_t i = 0; i < vector.size(); ++i) EXPECT_NEAR(vector[i], expected[i], 1e-5);
      }
      if (page.next_offset.is_null()) break;
      request["offset"] = page.next_offset;
    }
    EXPECT_EQ(found.size(), kPoints);
  }

  // The ten nearest with their scores, of some queries, scored exactly.
  static std::vector<std::pair<uint64_t, double>> Nearest(Client& client) {
    std::vector<std::pair<uint64_t, double>> nearest;
    for (uint64_t query = 0; query < 5; ++query) {
      const QueryAnswer answer = client.Query(kCollection, {{"query", VectorOf(1'000'000 + query)},
                                                            {"using", kVector},
                                                            {"limit", 10},
                                                            {"params", {{"exact", true}}}});
      EXPECT_EQ(answer.points.size(), 10u);
      for (const Json& point : answer.points) {
        nearest.emplace_back(point.at("id").get<uint64_t>(), point.at("score").get<double>());
      }
    }
    return nearest;
  }

  static void WaitUntilReembedded(Client& client) {
    for (int i = 0; i < 600; ++i) {
      const ReembeddingState state = client.Reembedding(kCollection, kVector);
      if (state.rows_done >= state.rows_total) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    FAIL() << "re-embedding did not end within 30 s";
  }

  static void ExpectSame(const std::vector<std::pair<uint64_t, double>>& a,
                         const std::vector<std::pair<uint64_t, double>>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(a[i].second, b[i].second, 1e-3) << "rank " << i;
    }
  }

  // What search finds by version 0 and by version 1, without any crash.
  void LearnExpected() {
    const ScratchFolder scratch;
    ServerProcess server(CopyOfData(scratch));
    Client client = server.Connect();
    before_ = Nearest(client);
    client.ActivateVersion(kCollection, kVector, kVersion);
    after_ = Nearest(client);
    WaitUntilReembedded(client);
    ExpectSame(Nearest(client), after_);
    double difference = 0;
    for (size_t i = 0; i < before_.size(); ++i) {
      difference += std::abs(before_[i].second - after_[i].second);
    }
    ASSERT_GT(difference, 0.1) << "the version changes nothing, so this test could not fail";
  }

  void CheckAfterCrash(const std::filesystem::path& data, bool must_be_active) {
    ServerProcess server(data);
    Client client = server.Connect();
    const uint64_t active = ActiveVersion(client);
    EXPECT_TRUE(active == kVersion || (active == 0 && !must_be_active)) << active;
    CheckPoints(client);
    ExpectSame(Nearest(client), active == 0 ? before_ : after_);
    if (active == 0) client.ActivateVersion(kCollection, kVector, kVersion);
    WaitUntilReembedded(client);
    CheckPoints(client);
    ExpectSame(Nearest(client), after_);
    EXPECT_EQ(server.Stop(), 0);
  }

  static ScratchFolder* folder_;
  std::vector<std::pair<uint64_t, double>> before_, after_;
};

ScratchFolder* MigrationCrash::folder_ = nullptr;

TEST_F(MigrationCrash, DuringActivation) {
  LearnExpected();
  constexpr uint64_t kSeed = 3;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 5; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const ScratchFolder scratch;
    const std::filesystem::path data = CopyOfData(scratch);
    bool acknowledged = false;
    {
      ServerProcess server(data);
      std::thread activator([&] {
        try {
          server.Connect().ActivateVersion(kCollection, kVector, kVersion);
          acknowledged = true;
        } catch (const ClientError&) {  // Killed before it answered.
        }
      });
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
      server.Kill();
      activator.join();
    }
    CheckAfterCrash(data, acknowledged);
  }
}

TEST_F(MigrationCrash, DuringReembedding) {
  LearnExpected();
  constexpr uint64_t kSeed = 4;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 5; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    const ScratchFolder scratch;
    const std::filesystem::path data = CopyOfData(scratch);
    // Killed again and again until it has got through.
    for (int kill_round = 0; kill_round < 2; ++kill_round) {
      ServerProcess server(data);
      Client client = server.Connect();
      if (kill_round == 0) client.ActivateVersion(kCollection, kVector, kVersion);
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 250));
      server.Kill();
    }
    CheckAfterCrash(data, /*must_be_active=*/true);
  }
}

}  // namespace
}  // namespace almagest::client
