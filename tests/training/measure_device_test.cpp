#include "training/measure_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace almagest::training {
namespace {

TEST(MeasureDeviceTest, ReportsEveryRateBesideItsLimit) {
  MeasureOptions options;
  options.device = DeviceChoice::kCpu;
  options.documents = 400;
  options.queries = 64;
  options.dimension = 16;
  options.batch_size = 32;
  options.seconds = 0.01;
  const auto measured = MeasureDevice(options);
  ASSERT_TRUE(measured) << measured.error().message;
  EXPECT_EQ(measured->difference_to_cpu, 0) << "the same seed gives the same map on a CPU";

  const auto json = nlohmann::json::parse(MeasurementJson(options, *measured));
  EXPECT_EQ(json["device"], "cpu");
  EXPECT_EQ(json["shape"]["documents"], 400);
  std::vector<std::string> names;
  for (const auto& row : json["rows"]) {
    names.push_back(row["what"]);
    EXPECT_GT(row["rate"].get<double>(), 0);
    EXPECT_GT(row["limit"].get<double>(), 0);
    EXPECT_NEAR(row["share"].get<double>(), row["rate"].get<double>() / row["limit"].get<double>(),
                1e-9);
  }
  EXPECT_THAT(names, testing::ElementsAre("training", "mining", "re-embedding"));
}

TEST(MeasureDeviceTest, NamesBadArguments) {
  const auto message = [](const std::vector<std::string>& arguments) {
    const auto parsed = ParseMeasureArguments(arguments);
    return parsed ? std::string("accepted") : parsed.error().message;
  };
  EXPECT_THAT(message({"--documents", "99"}), testing::HasSubstr("--documents is '99'"));
  EXPECT_THAT(message({"--dimension", "8x"}), testing::HasSubstr("from 2 to 8192"));
  EXPECT_THAT(message({"--device"}), testing::HasSubstr("--device needs a value"));
  EXPECT_THAT(message({"--speed", "1"}), testing::HasSubstr("unknown argument '--speed'"));
  EXPECT_EQ(message({"--device", "cpu", "--threads", "2", "--batch-size", "64"}), "accepted");
}

}  // namespace
}  // namespace almagest::training
