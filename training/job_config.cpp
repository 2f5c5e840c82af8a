#include "training/job_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "storage/base/residual_tensors.h"

namespace almagest::training {
namespace {

using Json = nlohmann::json;

constexpr int64_t kFormatVersion = 1;
constexpr int64_t kDimensionMax = 65'536;
constexpr int64_t kVersionMax = int64_t{1} << 53;
constexpr int64_t kGateNumberMax = 1'000;
constexpr size_t kLiveVersionsMax = 16;

tl::unexpected<Error> Bad(const std::string& message) {
  return Fail(ErrorCode::kInvalidArgument, "config.json: " + message);
}

std::string Show(double value) {
  std::string text = Json(value).dump();
  return text;
}

// Reads keys out of one JSON object, remembers which were asked for, and refuses the rest.
class Reader {
 public:
  Reader(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  const Json* Find(const char* key) {
    known_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  Result<> Real(const char* key, double low, double high, double* target) {
    const Json* value = Find(key);
    if (value == nullptr) return {};
    if (!value->is_number()) return Bad(prefix_ + key + " must be a number");
    const auto number = value->get<double>();
    if (!(number >= low && number <= high)) {
      return Bad(prefix_ + key + " is " + value->dump() + ", it must be from " + Show(low) +
                 " to " + Show(high));
    }
    *target = number;
    return {};
  }
  Result<> Integer(const char* key, int64_t low, int64_t high, int64_t* target) {
    const Json* value = Find(key);
    if (value == nullptr) return {};
    const bool fits =
        value->is_number_integer() &&
        !(value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
    if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high) {
      return Bad(prefix_ + key + " is " + value->dump() + ", it must be a whole number from " +
                 std::to_string(low) + " to " + std::to_string(high));
    }
    *target = value->get<int64_t>();
    return {};
  }
  Result<> Flag(const char* key, bool* target) {
    const Json* value = Find(key);
    if (value == nullptr) return {};
    if (!value->is_boolean()) return Bad(prefix_ + key + " must be true or false");
    *target = value->get<bool>();
    return {};
  }
  Result<> Text(const char* key, std::string* target) {
    const Json* value = Find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return Bad(prefix_ + key + " must be a string");
    *target = value->get<std::string>();
    return {};
  }
  Result<> RefuseOthers() const {
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) return Bad("unknown key '" + prefix_ + key + "'");
    }
    return {};
  }

 private:
  const Json& object_;
  std::string prefix_;
  std::set<std::string> known_;
};

Result<> ReadOptions(const Json& object, int64_t dimension, TrainingOptions* o) {
  Reader in(object, "options.");
  ALMAGEST_TRY_VOID(in.Integer("rank", 1, dimension, &o->rank));
  ALMAGEST_TRY_VOID(in.Integer("hidden", 1, kHiddenMax, &o->hidden));
  ALMAGEST_TRY_VOID(in.Integer("experts", 2, kExpertsMax, &o->experts));
  const Json* temperature = in.Find("temperature");
  o->tunes_temperature = temperature != nullptr && *temperature == "auto";
  if (!o->tunes_temperature) {
    ALMAGEST_TRY_VOID(in.Real("temperature", 0.005, 1, &o->temperature));
  }
  ALMAGEST_TRY_VOID(in.Flag("graded_loss", &o->graded_loss));
  ALMAGEST_TRY_VOID(in.Real("trimmed_share", 0, 0.5, &o->trimmed_share));
  ALMAGEST_TRY_VOID(in.Integer("batch_size", 2, 65'536, &o->batch_size));
  ALMAGEST_TRY_VOID(in.Integer("topics", 0, 10'000, &o->topics));
  ALMAGEST_TRY_VOID(in.Integer("steps_max", 1, 1'000'000, &o->steps_max));
  ALMAGEST_TRY_VOID(in.Real("learning_rate", 1e-7, 1, &o->learning_rate));
  ALMAGEST_TRY_VOID(in.Real("low_rank_learning_rate", 1e-7, 1, &o->low_rank_learning_rate));
  ALMAGEST_TRY_VOID(in.Real("weight_decay", 0, 100, &o->weight_decay));
  ALMAGEST_TRY_VOID(in.Real("validation_fraction", 0.01, 0.5, &o->validation_fraction));
  ALMAGEST_TRY_VOID(in.Real("held_out_fraction", 0, 0.49, &o->held_out_fraction));
  ALMAGEST_TRY_VOID(in.Integer("hard_negatives", 0, 64, &o->hard_negatives));
  ALMAGEST_TRY_VOID(in.Integer("random_negatives", 0, 65'536, &o->random_negatives));
  ALMAGEST_TRY_VOID(in.Integer("mining_depth", 1, 1000, &o->mining_depth));
  ALMAGEST_TRY_VOID(in.Integer("mining_refreshes", 1, 1000, &o->mining_refreshes));
  ALMAGEST_TRY_VOID(
      in.Integer("mining_documents_max", 1000, 100'000'000, &o->mining_documents_max));
  ALMAGEST_TRY_VOID(in.Real("positive_ratio", 0.1, 1, &o->positive_ratio));
  ALMAGEST_TRY_VOID(in.Real("duplicate_cosine", 0.5, 1, &o->duplicate_cosine));
  ALMAGEST_TRY_VOID(in.Real("group_cosine", 0.5, 1, &o->group_cosine));
  ALMAGEST_TRY_VOID(in.Integer("evaluate_every", 1, 100'000, &o->evaluate_every));
  ALMAGEST_TRY_VOID(in.Integer("patience", 1, 10'000, &o->patience));
  ALMAGEST_TRY_VOID(in.Integer("validation_queries_max", 1, 1'000'000, &o->validation_queries_max));
  ALMAGEST_TRY_VOID(in.Integer("queries_min", 4, 1'000'000, &o->queries_min));
  ALMAGEST_TRY_VOID(in.Real("whitening_power", 0, 1, &o->whitening_power));
  ALMAGEST_TRY_VOID(in.Flag("refit", &o->refit));
  ALMAGEST_TRY_VOID(in.Real("time_budget_seconds", 1, 1e6, &o->time_budget_seconds));
  return in.RefuseOthers();
}

Result<> ReadGate(const Json& object, GateOptions* g) {
  Reader in(object, "gate.");
  ALMAGEST_TRY_VOID(in.Real("min_gain", -1, 1, &g->min_gain));
  ALMAGEST_TRY_VOID(in.Real("alpha", 0.001, 0.5, &g->alpha));
  ALMAGEST_TRY_VOID(in.Integer("queries_min", 1, 1'000'000, &g->queries_min));
  ALMAGEST_TRY_VOID(in.Real("compatibility_margin", 0, 1, &g->compatibility_margin));
  ALMAGEST_TRY_VOID(in.Real("compatibility_bound_margin", 0, 1, &g->compatibility_bound_margin));
  ALMAGEST_TRY_VOID(in.Real("effective_rank_ratio_min", 0, 1, &g->effective_rank_ratio_min));
  ALMAGEST_TRY_VOID(in.Real("trusted_margin", 0, 1, &g->trusted_margin));
  ALMAGEST_TRY_VOID(in.Real("user_share_max", 0, 1, &g->user_share_max));
  ALMAGEST_TRY_VOID(in.Real("leave_out_user_share", 0, 1, &g->leave_out_user_share));
  ALMAGEST_TRY_VOID(in.Real("overlap_min", 0, 1, &g->overlap_min));
  ALMAGEST_TRY_VOID(in.Real("self_retrieval_min", 0, 1, &g->self_retrieval_min));
  ALMAGEST_TRY_VOID(in.Real("most_shown_share_max", 0, 1, &g->most_shown_share_max));
  return in.RefuseOthers();
}

Result<Objective> ParseObjective(const std::string& name) {
  for (const Objective objective :
       {Objective::kAuto, Objective::kQueryDiagonal, Objective::kQueryLowRank,
        Objective::kQueryOrthogonal, Objective::kQueryLinear, Objective::kQueryMlp,
        Objective::kQueryMixture, Objective::kTwoSidedLinear, Objective::kWhitening}) {
    if (name == ObjectiveName(objective)) return objective;
  }
  return Bad("objective is '" + name +
             "', it must be auto, query_diagonal, query_low_rank, query_orthogonal, query_linear, "
             "query_mlp, query_mixture, two_sided_linear or whitening");
}

Result<> ReadVersions(Reader* in, JobConfig* config) {
  ALMAGEST_TRY_VOID(in->Integer("active_version", 0, kVersionMax, &config->active_version));
  const Json* live = in->Find("live_versions");
  config->live_versions = {config->active_version};
  if (live == nullptr) return {};
  if (!live->is_array() || live->size() > kLiveVersionsMax) {
    return Bad("live_versions must be an array of at most " + std::to_string(kLiveVersionsMax) +
               " version numbers");
  }
  for (const Json& id : *live) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > static_cast<uint64_t>(kVersionMax)) {
      return Bad("live_versions holds " + id.dump() + ", which is no version number");
    }
    config->live_versions.push_back(id.get<int64_t>());
  }
  auto& versions = config->live_versions;
  std::sort(versions.begin(), versions.end());
  versions.erase(std::unique(versions.begin(), versions.end()), versions.end());
  return {};
}

}  // namespace

const char* ObjectiveName(Objective objective) {
  switch (objective) {
    case Objective::kAuto:
      return "auto";
    case Objective::kQueryDiagonal:
      return "query_diagonal";
    case Objective::kQueryLowRank:
      return "query_low_rank";
    case Objective::kQueryOrthogonal:
      return "query_orthogonal";
    case Objective::kQueryLinear:
      return "query_linear";
    case Objective::kQueryMlp:
      return "query_mlp";
    case Objective::kQueryMixture:
      return "query_mixture";
    case Objective::kTwoSidedLinear:
      return "two_sided_linear";
    case Objective::kWhitening:
      return "whitening";
  }
  return "auto";
}

Result<DeviceChoice> ParseDevice(std::string_view name) {
  if (name == "auto") return DeviceChoice::kAuto;
  if (name == "cpu") return DeviceChoice::kCpu;
  if (name == "cuda") return DeviceChoice::kCuda;
  return Fail(ErrorCode::kInvalidArgument,
              "device is '" + std::string(name) + "', it must be auto, cpu or cuda");
}

Result<JobConfig> ParseJobConfig(std::string_view json) {
  const Json root = Json::parse(json, nullptr, false);
  if (!root.is_object()) return Bad("it is not a JSON object");
  Reader in(root, "");
  int64_t format_version = 0;
  ALMAGEST_TRY_VOID(in.Integer("format_version", kFormatVersion, kFormatVersion, &format_version));
  if (format_version == 0) return Bad("format_version is missing; this program reads 1");
  JobConfig config;
  ALMAGEST_TRY_VOID(in.Text("job_id", &config.job_id));
  ALMAGEST_TRY_VOID(in.Text("collection", &config.collection));
  ALMAGEST_TRY_VOID(in.Text("vector", &config.vector));
  std::string distance = "Cosine";
  ALMAGEST_TRY_VOID(in.Text("distance", &distance));
  if (distance != "Cosine" && distance != "Dot") {
    return Bad("distance is '" + distance + "', it must be Cosine or Dot");
  }
  config.distance = distance == "Dot" ? Distance::kDot : Distance::kCosine;
  ALMAGEST_TRY_VOID(in.Integer("dimension", 1, kDimensionMax, &config.dimension));
  if (config.dimension == 0) return Bad("dimension is missing");
  int64_t seed = 0;
  ALMAGEST_TRY_VOID(in.Integer("seed", 0, INT64_MAX, &seed));
  config.seed = static_cast<uint64_t>(seed);
  ALMAGEST_TRY_VOID(in.Integer("threads", 1, 1024, &config.threads));
  std::string device = "auto";
  ALMAGEST_TRY_VOID(in.Text("device", &device));
  auto parsed_device = ParseDevice(device);
  if (!parsed_device) return Bad(parsed_device.error().message);
  config.device = *parsed_device;
  std::string objective = "auto";
  ALMAGEST_TRY_VOID(in.Text("objective", &objective));
  ALMAGEST_TRY(config.objective, ParseObjective(objective));
  ALMAGEST_TRY_VOID(ReadVersions(&in, &config));
  ALMAGEST_TRY_VOID(in.Integer("gate_number", 1, kGateNumberMax, &config.gate_number));
  config.options.rank = std::min(config.options.rank, config.dimension);
  if (const Json* options = in.Find("options"); options != nullptr) {
    if (!options->is_object()) return Bad("options must be an object");
    ALMAGEST_TRY_VOID(ReadOptions(*options, config.dimension, &config.options));
  }
  if (const int64_t units = config.options.experts * config.options.rank;
      config.objective == Objective::kQueryMixture && units > kHiddenMax) {
    return Bad("options.experts times options.rank is " + std::to_string(units) +
               ", the limit is " + std::to_string(kHiddenMax));
  }
  if (const Json* gate = in.Find("gate"); gate != nullptr) {
    if (!gate->is_object()) return Bad("gate must be an object");
    ALMAGEST_TRY_VOID(ReadGate(*gate, &config.gate));
  }
  ALMAGEST_TRY_VOID(in.RefuseOthers());
  return config;
}

}  // namespace almagest::training
