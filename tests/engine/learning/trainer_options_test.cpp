// What the server accepts as options is what the trainer accepts: both are asked.
#include "engine/learning/trainer_options.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "training/job_config.h"

namespace almagest {
namespace {

TrainerJob Job() {
  TrainerJob job;
  job.job_id = "job-7";
  job.collection = "words \"x\"";
  job.dimension = 48;
  job.threads = 3;
  job.active_version = 2;
  job.live_versions = {2, 1};
  return job;
}

AdaptationRequest Request(std::string options) {
  AdaptationRequest request;
  request.vector_name = "text";
  request.options_json = std::move(options);
  return request;
}

// Whether the server and the trainer take these options; they must agree.
bool Accepted(const std::string& options) {
  const auto config = MakeTrainerConfig(Job(), Request(options));
  if (!config) {
    EXPECT_EQ(config.error().code, ErrorCode::kOutOfRange) << options;
    EXPECT_FALSE(config.error().message.empty());
    return false;
  }
  const auto parsed = training::ParseJobConfig(*config);
  EXPECT_TRUE(parsed) << options << ": " << parsed.error().message;
  return true;
}

TEST(TrainerOptions, WriteAConfigThatTheTrainerReads) {
  AdaptationRequest request =
      Request(R"({"rank": 8, "refit": false, "gate": {"min_gain": 0.01}, "device": "cpu"})");
  request.objective = "two_sided_linear";
  request.seed = 42;
  const auto text = MakeTrainerConfig(Job(), request);
  ASSERT_TRUE(text) << text.error().message;
  const auto config = training::ParseJobConfig(*text);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->job_id, "job-7");
  EXPECT_EQ(config->collection, "words \"x\"");
  EXPECT_EQ(config->vector, "text");
  EXPECT_EQ(config->distance, training::Distance::kCosine);
  EXPECT_EQ(config->dimension, 48);
  EXPECT_EQ(config->threads, 3);
  EXPECT_EQ(config->seed, 42u);
  EXPECT_EQ(config->objective, training::Objective::kTwoSidedLinear);
  EXPECT_EQ(config->active_version, 2);
  EXPECT_EQ(config->live_versions, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(config->options.rank, 8);
  EXPECT_FALSE(config->options.refit);
  EXPECT_EQ(config->gate.min_gain, 0.01);
  EXPECT_EQ(config->device, training::DeviceChoice::kCpu);
}

// Every limit of the trainer, probed from both sides: what the trainer refuses, so does the server.
TEST(TrainerOptions, AgreeWithTheTrainerOnEveryLimit) {
  const std::vector<std::pair<std::string, std::vector<double>>> probes = {
      {"rank", {0, 1, 48, 49}},
      {"hidden", {0, 1, 4'096, 4'097}},
      {"experts", {1, 2, 64, 65}},
      {"temperature", {0.0049, 0.005, 1, 1.01}},
      {"batch_size", {1, 2, 65'536, 65'537, 2.5}},
      {"topics", {-1, 0, 10'000, 10'001}},
      {"steps_max", {0, 1, 1'000'000, 1'000'001}},
      {"learning_rate", {0, 1e-7, 1, 1.1}},
      {"low_rank_learning_rate", {0, 1e-7, 1, 1.1}},
      {"weight_decay", {-1, 0, 100, 101}},
      {"validation_fraction", {0, 0.01, 0.5, 0.51}},
      {"held_out_fraction", {-0.1, 0, 0.49, 0.5}},
      {"hard_negatives", {-1, 0, 64, 65}},
      {"random_negatives", {-1, 0, 65'536, 65'537}},
      {"mining_depth", {0, 1, 1'000, 1'001}},
      {"mining_refreshes", {0, 1, 1'000, 1'001}},
      {"mining_documents_max", {999, 1'000, 1e8, 1e8 + 1}},
      {"positive_ratio", {0.09, 0.1, 1, 1.1}},
      {"duplicate_cosine", {0.4, 0.5, 1, 1.1}},
      {"group_cosine", {0.4, 0.5, 1, 1.1}},
      {"evaluate_every", {0, 1, 100'000, 100'001}},
      {"patience", {0, 1, 10'000, 10'001}},
      {"validation_queries_max", {0, 1, 1'000'000, 1'000'001}},
      {"queries_min", {3, 4, 1'000'000, 1'000'001}},
      {"whitening_power", {-0.1, 0, 1, 1.1}},
      {"time_budget_seconds", {0.5, 1, 1e6, 1e7}},
      {"gate.min_gain", {-1.1, -1, 1, 1.1}},
      {"gate.queries_min", {0, 1, 1'000'000, 1'000'001}},
      {"gate.alpha", {0, 0.001, 0.5, 0.6}},
      {"gate.overlap_min", {-0.1, 0, 1, 1.1}},
      {"gate.self_retrieval_min", {-0.1, 0, 1, 1.1}},
      {"gate.compatibility_margin", {-0.1, 0, 1, 1.1}},
      {"gate.compatibility_bound_margin", {-0.1, 0, 1, 1.1}},
      {"gate.effective_rank_ratio_min", {-0.1, 0, 1, 1.1}},
      {"gate.user_share_max", {-0.1, 0, 1, 1.1}},
      {"refit", {1}},
      {"surprise", {1}},
      {"gate.surprise", {1}},
  };
  nlohmann::json base = nlohmann::json::parse(*MakeTrainerConfig(Job(), Request("{}")));
  for (const auto& [name, values] : probes) {
    for (const double value : values) {
      const nlohmann::json number = value == static_cast<double>(static_cast<int64_t>(value))
                                        ? nlohmann::json(static_cast<int64_t>(value))
                                        : nlohmann::json(value);
      SCOPED_TRACE(name + " = " + number.dump());
      nlohmann::json options = nlohmann::json::object();
      nlohmann::json config = base;
      if (name.starts_with("gate.")) {
        options["gate"][name.substr(5)] = number;
        config["gate"][name.substr(5)] = number;
      } else {
        options[name] = number;
        config["options"][name] = number;
      }
      EXPECT_EQ(Accepted(options.dump()), training::ParseJobConfig(config.dump()).has_value());
    }
  }
}

TEST(TrainerOptions, NameTheOptionAndItsLimit) {
  const auto config = MakeTrainerConfig(Job(), Request(R"({"rank": 4900})"));
  ASSERT_FALSE(config);
  EXPECT_NE(config.error().message.find("options.rank is 4900"), std::string::npos)
      << config.error().message;
  EXPECT_NE(config.error().message.find("48"), std::string::npos);
}

TEST(TrainerOptions, BoundTheUnitsOfAMixture) {
  TrainerJob job = Job();
  job.dimension = 512;
  AdaptationRequest request = Request(R"({"experts": 64, "rank": 65})");
  EXPECT_TRUE(MakeTrainerConfig(job, request));
  request.objective = "query_mixture";
  const auto config = MakeTrainerConfig(job, request);
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().message,
            "options.experts times options.rank is 4160, the limit is 4096");
  request.options_json = R"({"experts": 64, "rank": 64})";
  const auto accepted = MakeTrainerConfig(job, request);
  ASSERT_TRUE(accepted) << accepted.error().message;
  const auto parsed = training::ParseJobConfig(*accepted);
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->objective, training::Objective::kQueryMixture);
  request.objective = "query_mlp";
  request.options_json = R"({"hidden": 200})";
  EXPECT_EQ(training::ParseJobConfig(*MakeTrainerConfig(job, request))->options.hidden, 200);
}

TEST(TrainerOptions, RefuseWhatIsNoOption) {
  EXPECT_TRUE(Accepted("{}"));
  EXPECT_TRUE(Accepted(R"({"refit": true, "device": "auto"})"));
  for (const char* options : {"", "[]", "{", "3", R"({"gate": 1})", R"({"device": "tpu"})",
                              R"({"device": 1})", R"({"rank": "8"})", R"({"rank": null})",
                              R"({"temperature": 1e999})", R"({"threads": 4})"}) {
    EXPECT_FALSE(Accepted(options)) << options;
  }
  AdaptationRequest request = Request("{}");
  request.objective = "magic";
  EXPECT_FALSE(MakeTrainerConfig(Job(), request));
  request = Request("{}");
  request.seed = UINT64_MAX;
  EXPECT_FALSE(MakeTrainerConfig(Job(), request));
}

}  // namespace
}  // namespace almagest
