#include "training/job_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace almagest::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(JobConfig, FillsInDefaultsAndKeepsWhatIsGiven) {
  const auto config = ParseJobConfig(R"({"format_version": 1, "dimension": 16, "distance": "Dot",
      "objective": "whitening", "active_version": 4, "live_versions": [9, 0, 9],
      "options": {"temperature": 0.1, "refit": false}, "gate": {"min_gain": 0.01}})");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->distance, Distance::kDot);
  EXPECT_EQ(config->objective, Objective::kWhitening);
  EXPECT_THAT(config->live_versions, ElementsAre(0, 4, 9));
  EXPECT_EQ(config->options.temperature, 0.1);
  EXPECT_FALSE(config->options.refit);
  EXPECT_EQ(config->options.rank, 16);  // The default 32 does not fit.
  EXPECT_EQ(config->options.positive_ratio, 0.95);
  EXPECT_EQ(config->gate.min_gain, 0.01);
  EXPECT_FALSE(config->options.tunes_temperature);
  const auto tuned = ParseJobConfig(
      R"({"format_version": 1, "dimension": 4, "options": {"temperature": "auto"}})");
  ASSERT_TRUE(tuned) << tuned.error().message;
  EXPECT_TRUE(tuned->options.tunes_temperature);
  EXPECT_EQ(tuned->options.temperature, 0.05);  // Where it begins.
}

struct Refusal {
  const char* json;
  const char* message;
};

TEST(JobConfig, RefusesByNameValueAndLimit) {
  const Refusal refusals[] = {
      {"[]", "not a JSON object"},
      {"{\"format_version\": 1, \"dimension\"", "not a JSON object"},
      {R"({"dimension": 4})", "format_version is missing"},
      {R"({"format_version": 2, "dimension": 4})", "format_version is 2"},
      {R"({"format_version": 1})", "dimension is missing"},
      {R"({"format_version": 1, "dimension": 0})", "dimension is 0"},
      {R"({"format_version": 1, "dimension": 4.5})", "dimension is 4.5"},
      {R"({"format_version": 1, "dimension": 70000})", "from 1 to 65536"},
      {R"({"format_version": 1, "dimension": 4, "color": 1})", "unknown key 'color'"},
      {R"({"format_version": 1, "dimension": 4, "distance": "Euclid"})", "Cosine or Dot"},
      {R"({"format_version": 1, "dimension": 4, "device": "tpu"})", "auto, cpu or cuda"},
      {R"({"format_version": 1, "dimension": 4, "objective": "mlp"})", "objective is 'mlp'"},
      {R"({"format_version": 1, "dimension": 4, "seed": -1})", "seed is -1"},
      {R"({"format_version": 1, "dimension": 4, "gate_number": 0})", "gate_number is 0"},
      {R"({"format_version": 1, "dimension": 4, "seed": 18446744073709551615})", "seed is"},
      {R"({"format_version": 1, "dimension": 4, "live_versions": [-1]})", "live_versions"},
      {R"({"format_version": 1, "dimension": 4, "options": []})", "options must be an object"},
      {R"({"format_version": 1, "dimension": 4, "options": {"rank": 5}})",
       "options.rank is 5, it must be a whole number from 1 to 4"},
      {R"({"format_version": 1, "dimension": 4, "options": {"temperature": 0}})",
       "options.temperature is 0, it must be from 0.005 to 1"},
      {R"({"format_version": 1, "dimension": 4, "options": {"temperature": "warm"}})",
       "options.temperature must be a number"},
      {R"({"format_version": 1, "dimension": 4, "options": {"refit": 1}})", "true or false"},
      {R"({"format_version": 1, "dimension": 4, "options": {"tau": 1}})",
       "unknown key 'options.tau'"},
      {R"({"format_version": 1, "dimension": 4, "gate": {"min_gain": "x"}})",
       "gate.min_gain must be a number"},
      {R"({"format_version": 1, "dimension": 4, "gate": {"margin": 1}})",
       "unknown key 'gate.margin'"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.json);
    const auto config = ParseJobConfig(refusal.json);
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(config.error().message, HasSubstr(refusal.message));
  }
}

}  // namespace
}  // namespace almagest::training
