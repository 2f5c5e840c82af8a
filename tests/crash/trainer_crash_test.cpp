// The trainer is killed: its job fails with a reason, and the server goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <random>
#include <thread>

#include "tests/client/scratch_folder.h"
#include "tests/crash/server_process.h"

namespace almagest::client {
namespace {

constexpr int kPoints = 600;
constexpr int kDimension = 16;

Json RandomVector(std::mt19937& random) {
  Json vector = Json::array();
  for (int i = 0; i < kDimension; ++i) vector.push_back(static_cast<int>(random() % 200) - 100);
  return vector;
}

class TrainerCrash : public testing::Test {
 protected:
  void SetUp() override {
    std::mt19937 random(5);
    client_.CreateCollection("c", {{"vectors", {{"size", kDimension}, {"distance", "Cosine"}}}});
    Json points = Json::array(), events = Json::array();
    for (int id = 0; id < kPoints; ++id) {
      points.push_back({{"id", id}, {"vector", RandomVector(random)}});
      events.push_back({{"query", {{"vector", RandomVector(random)}}},
                        {"grades", Json::array({{{"id", id}, {"grade", 1}}})}});
    }
    client_.Upsert("c", points);
    client_.AddFeedback("c", events);
  }

  // Waits for the trainer of the running job.
  pid_t Trainer() {
    for (int i = 0; i < 2'000; ++i) {
      const auto children = server_.Children();
      if (!children.empty()) return children.front();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return -1;
  }

  const ScratchFolder folder_;
  ServerProcess server_{folder_ / "data", TrainerArguments()};
  Client client_ = server_.Connect();
};

TEST_F(TrainerCrash, AKilledTrainerFailsItsJobOnly) {
  const std::string id = client_.StartAdaptation("c", {{"objective", "auto"}});
  const pid_t trainer = Trainer();
  ASSERT_GT(trainer, 0);
  ASSERT_EQ(kill(trainer, SIGKILL), 0);
  const Json job = client_.FollowJob(id, [](const Json&) { return true; });
  EXPECT_EQ(job.at("state"), "failed");
  EXPECT_THAT(job.at("reason").get<std::string>(), testing::HasSubstr("signal 9"));
  EXPECT_FALSE(job.contains("version"));
  EXPECT_TRUE(client_.Ready());
  EXPECT_EQ(client_.Count("c"), static_cast<uint64_t>(kPoints));
  EXPECT_EQ(client_.Query("c", {{"query", 1}, {"limit", 3}}).points.size(), 3u);
  EXPECT_EQ(client_.Versions("c", "").at("active"), 0);
  EXPECT_EQ(server_.Stop(), 0);
}

TEST_F(TrainerCrash, AKilledServerTakesItsTrainerAlongAndFailsTheJobLater) {
  const std::string id = client_.StartAdaptation("c", {{"objective", "auto"}});
  const pid_t trainer = Trainer();
  ASSERT_GT(trainer, 0);
  server_.Kill();
  bool gone = false;
  for (int i = 0; i < 2'000 && !gone; ++i) {
    gone = kill(trainer, 0) != 0;
    // A zombie that nobody has reaped yet is gone as well.
    if (!gone) {
      std::ifstream status("/proc/" + std::to_string(trainer) + "/stat");
      std::string text;
      std::getline(status, text);
      gone = text.find(") Z ") != std::string::npos;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_TRUE(gone) << "the trainer outlived its server";
  ServerProcess again(folder_ / "data", TrainerArguments());
  Client client = again.Connect();
  const Json job = client.Job(id);
  EXPECT_EQ(job.at("state"), "failed");
  EXPECT_THAT(job.at("reason").get<std::string>(), testing::HasSubstr("the server stopped"));
  EXPECT_EQ(client.Count("c"), static_cast<uint64_t>(kPoints));
}

}  // namespace
}  // namespace almagest::client
