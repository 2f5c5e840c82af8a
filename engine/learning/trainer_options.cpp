#include "engine/learning/trainer_options.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "storage/base/residual_tensors.h"

namespace almagest {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kObjectives = {
    "auto",      "query_diagonal", "query_low_rank",   "query_orthogonal", "query_linear",
    "query_mlp", "query_mixture",  "two_sided_linear", "whitening"};
constexpr std::array kDevices = {"auto", "cpu", "cuda"};

enum class Kind : uint8_t { kInteger, kReal, kRealOrAuto, kFlag };
struct Option {
  std::string_view name;
  Kind kind;
  double low, high;
};
constexpr double kDimensionLimit = -1;  // `high`: the vector's dimension.

// The table of docs/job-folder.md.
constexpr Option kTrainingOptions[] = {
    {"rank", Kind::kInteger, 1, kDimensionLimit},
    {"hidden", Kind::kInteger, 1, kHiddenMax},
    {"experts", Kind::kInteger, 2, kExpertsMax},
    {"temperature", Kind::kRealOrAuto, 0.005, 1},
    {"graded_loss", Kind::kFlag, 0, 0},
    {"trimmed_share", Kind::kReal, 0, 0.5},
    {"batch_size", Kind::kInteger, 2, 65'536},
    {"topics", Kind::kInteger, 0, 10'000},
    {"steps_max", Kind::kInteger, 1, 1'000'000},
    {"learning_rate", Kind::kReal, 1e-7, 1},
    {"low_rank_learning_rate", Kind::kReal, 1e-7, 1},
    {"weight_decay", Kind::kReal, 0, 100},
    {"validation_fraction", Kind::kReal, 0.01, 0.5},
    {"held_out_fraction", Kind::kReal, 0, 0.49},
    {"hard_negatives", Kind::kInteger, 0, 64},
    {"random_negatives", Kind::kInteger, 0, 65'536},
    {"mining_depth", Kind::kInteger, 1, 1'000},
    {"mining_refreshes", Kind::kInteger, 1, 1'000},
    {"mining_documents_max", Kind::kInteger, 1'000, 100'000'000},
    {"positive_ratio", Kind::kReal, 0.1, 1},
    {"duplicate_cosine", Kind::kReal, 0.5, 1},
    {"group_cosine", Kind::kReal, 0.5, 1},
    {"evaluate_every", Kind::kInteger, 1, 100'000},
    {"patience", Kind::kInteger, 1, 10'000},
    {"validation_queries_max", Kind::kInteger, 1, 1'000'000},
    {"queries_min", Kind::kInteger, 4, 1'000'000},
    {"whitening_power", Kind::kReal, 0, 1},
    {"refit", Kind::kFlag, 0, 0},
    {"time_budget_seconds", Kind::kReal, 1, 1e6},
};
constexpr Option kGateOptions[] = {
    {"min_gain", Kind::kReal, -1, 1},
    {"alpha", Kind::kReal, 0.001, 0.5},
    {"queries_min", Kind::kInteger, 1, 1'000'000},
    {"compatibility_margin", Kind::kReal, 0, 1},
    {"compatibility_bound_margin", Kind::kReal, 0, 1},
    {"effective_rank_ratio_min", Kind::kReal, 0, 1},
    {"trusted_margin", Kind::kReal, 0, 1},
    {"user_share_max", Kind::kReal, 0, 1},
    {"leave_out_user_share", Kind::kReal, 0, 1},
    {"overlap_min", Kind::kReal, 0, 1},
    {"self_retrieval_min", Kind::kReal, 0, 1},
    {"most_shown_share_max", Kind::kReal, 0, 1},
};

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorCode::kOutOfRange, std::move(message));
}

// A value as messages show it: short and valid UTF-8.
std::string Show(const Json& value) {
  return value.dump(-1, ' ', true, Json::error_handler_t::replace).substr(0, 80);
}

std::string Listed(std::span<const char* const> names) {
  std::string text;
  for (const char* name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

bool Contains(std::span<const char* const> names, const std::string& name) {
  return std::any_of(names.begin(), names.end(), [&](const char* known) { return name == known; });
}

Result<> CheckOption(const Option& option, const std::string& name, const Json& value,
                     uint32_t dimension) {
  if (option.kind == Kind::kFlag) {
    if (value.is_boolean()) return {};
    return Bad(name + " is " + Show(value) + ", it must be true or false");
  }
  if (option.kind == Kind::kRealOrAuto && value == "auto") return {};
  const double high = option.high == kDimensionLimit ? dimension : option.high;
  const bool is_kind =
      option.kind == Kind::kInteger ? value.is_number_integer() : value.is_number();
  if (is_kind && value.get<double>() >= option.low && value.get<double>() <= high) return {};
  return Bad(name + " is " + Show(value) + ", it must be a " +
             (option.kind == Kind::kInteger ? "whole " : "") + "number from " +
             Json(option.low).dump() + " to " + Json(high).dump());
}

Result<> CheckOptions(const Json& object, std::span<const Option> known, const std::string& prefix,
                      uint32_t dimension) {
  for (const auto& [key, value] : object.items()) {
    const auto option =
        std::find_if(known.begin(), known.end(), [&](const Option& o) { return o.name == key; });
    if (option == known.end()) {
      return Bad("unknown option " + Show(prefix + key));
    }
    ALMAGEST_TRY_VOID(CheckOption(*option, prefix + key, value, dimension));
  }
  return {};
}

}  // namespace

Result<std::string> MakeTrainerConfig(const TrainerJob& job, const AdaptationRequest& request) {
  if (!Contains(kObjectives, request.objective)) {
    return Bad("objective is '" + request.objective.substr(0, 64) + "', it must be one of " +
               Listed(kObjectives));
  }
  if (request.seed > static_cast<uint64_t>(INT64_MAX)) {
    return Bad("seed is " + std::to_string(request.seed) + ", the limit is " +
               std::to_string(INT64_MAX));
  }
  Json options = Json::parse(request.options_json, nullptr, false);
  if (!options.is_object()) return Bad("options must be a JSON object");
  Json gate = Json::object();
  std::string device = "auto";
  if (const auto found = options.find("gate"); found != options.end()) {
    if (!found->is_object()) return Bad("options.gate must be a JSON object");
    gate = *found;
    options.erase("gate");
  }
  if (const auto found = options.find("device"); found != options.end()) {
    if (!found->is_string() || !Contains(kDevices, found->get<std::string>())) {
      return Bad("options.device is " + Show(*found) + ", it must be one of " + Listed(kDevices));
    }
    device = found->get<std::string>();
    options.erase("device");
  }
  ALMAGEST_TRY_VOID(CheckOptions(options, kTrainingOptions, "options.", job.dimension));
  // The defaults of the table are 4 experts of rank 32.
  const double units = options.value("experts", 4.0) * options.value("rank", 32.0);
  if (request.objective == "query_mixture" && units > static_cast<double>(kHiddenMax)) {
    return Bad("options.experts times options.rank is " +
               std::to_string(static_cast<int64_t>(units)) + ", the limit is " +
               std::to_string(kHiddenMax));
  }
  ALMAGEST_TRY_VOID(CheckOptions(gate, kGateOptions, "options.gate.", job.dimension));
  const Json config = {{"format_version", 1},
                       {"job_id", job.job_id},
                       {"collection", job.collection},
                       {"vector", request.vector_name},
                       {"distance", DistanceName(job.distance)},
                       {"dimension", job.dimension},
                       {"seed", request.seed},
                       {"threads", job.threads},
                       {"device", device},
                       {"objective", request.objective},
                       {"active_version", job.active_version},
                       {"live_versions", job.live_versions},
                       {"gate_number", job.gate_number},
                       {"options", options},
                       {"gate", gate}};
  return config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace almagest
