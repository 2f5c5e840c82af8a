#include "http/strict_mode.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "http/content_type.h"
#include "http/filter_parser.h"
#include "http/npy_queries.h"
#include "http/strict_cost.h"
#include "http/strict_filter.h"
#include "http/strict_size.h"

namespace almagest {
namespace {

template <class Value>
Result<> CheckLimit(Value value, const std::optional<Value>& limit, std::string_view name) {
  if (!limit || value <= *limit) return {};
  return Fail(
      StrictModeError(fmt::format("Limit exceeded {} > {} for \"{}\"", value, *limit, name),
                      fmt::format("Reduce the \"{}\" parameter to or below {}.", name, *limit)));
}

Result<> CheckExact(bool exact, const StrictModeConfig& strict) {
  if (!exact || strict.search_allow_exact.value_or(true)) return {};
  return Fail(StrictModeError("Exact search disabled!", "Set exact=false."));
}

Result<> CheckFilterOf(const JsonValue& body, const CollectionConfig& config,
                       const std::optional<bool>& unindexed, std::string_view key = "filter") {
  const auto filter = FindFilter(body, key);
  if (!filter || !*filter) return {};
  return CheckStrictFilter(**filter, config, !unindexed.value_or(true));
}

uint64_t UnsignedOr(const JsonValue& body, std::string_view key, uint64_t otherwise) {
  const auto value = body.FindUnsigned(key);
  return value && *value ? **value : otherwise;
}

Result<> CheckParams(const JsonValue& body, const CollectionConfig& config) {
  const auto params = body.Find("params");
  if (!params || !params->IsObject()) return {};
  const StrictModeConfig& strict = config.strict_mode;
  if (const auto quantization = params->Find("quantization")) {
    const auto oversampling = quantization->FindDouble("oversampling");
    if (oversampling && *oversampling) {
      ALMAGEST_TRY_VOID(CheckLimit(**oversampling, strict.search_max_oversampling, "oversampling"));
    }
  }
  ALMAGEST_TRY_VOID(
      CheckLimit(UnsignedOr(*params, "hnsw_ef", 0), strict.search_max_hnsw_ef, "hnsw_ef"));
  if (const auto idf = params->Find("idf")) {
    ALMAGEST_TRY_VOID(CheckFilterOf(*idf, config, strict.unindexed_filtering_retrieve, "corpus"));
  }
  const auto exact = params->FindBool("exact");
  return CheckExact(exact && exact->value_or(false), strict);
}

// One query, search, recommend or discover, and its prefetches. `groups`: of so many hits each.
Result<> CheckQuery(const JsonValue& body, const CollectionConfig& config, bool groups = false) {
  if (const auto prefetch = body.Find("prefetch")) {
    const auto items =
        prefetch->IsArray() ? prefetch->Items() : Result<std::vector<JsonValue>>({*prefetch});
    if (items) {
      for (const JsonValue& item : *items) ALMAGEST_TRY_VOID(CheckQuery(item, config));
    }
  }
  const StrictModeConfig& strict = config.strict_mode;
  const uint64_t limit = UnsignedOr(body, "limit", UnsignedOr(body, "top", kQueryLimitDefault));
  uint64_t hits = 0;
  const uint64_t size = groups ? UnsignedOr(body, "group_size", 3) : 1;
  if (__builtin_mul_overflow(limit, size, &hits)) hits = UINT64_MAX;
  ALMAGEST_TRY_VOID(CheckLimit(hits, strict.max_query_limit, "limit"));
  ALMAGEST_TRY_VOID(CheckFilterOf(body, config, strict.unindexed_filtering_retrieve));
  ALMAGEST_TRY_VOID(CheckParams(body, config));
  if (!groups || strict.unindexed_filtering_retrieve.value_or(true)) return {};
  const auto key = body.FindString("group_by");
  return key && *key ? CheckStrictGrouping(**key, config) : Result<>();
}

Result<> CheckBatch(const JsonValue& body, const CollectionConfig& config) {
  const auto searches = body.Find("searches");
  const auto items = searches ? searches->Items() : Result<std::vector<JsonValue>>();
  if (!items) return {};
  ALMAGEST_TRY_VOID(CheckLimit(uint64_t{items->size()}, config.strict_mode.search_max_batchsize,
                               "search batch size"));
  for (const JsonValue& item : *items) ALMAGEST_TRY_VOID(CheckQuery(item, config));
  return {};
}

Result<> CheckRead(const JsonValue& body, std::string_view call, const CollectionConfig& config) {
  const StrictModeConfig& strict = config.strict_mode;
  if (call.ends_with("/batch")) return CheckBatch(body, config);
  if (call.ends_with("/groups")) return CheckQuery(body, config, /*groups=*/true);
  if (call == "/points/scroll" || call == "/points/query" || call == "/points/search" ||
      call == "/points/recommend" || call == "/points/discover") {
    return CheckQuery(body, config);
  }
  if (call.starts_with("/points/search/matrix")) {
    uint64_t pairs = 0;
    if (__builtin_mul_overflow(UnsignedOr(body, "limit", 3), UnsignedOr(body, "sample", 10),
                               &pairs)) {
      pairs = UINT64_MAX;
    }
    ALMAGEST_TRY_VOID(CheckLimit(pairs, strict.max_query_limit, "limit"));
  } else if (call == "/facet") {
    ALMAGEST_TRY_VOID(CheckLimit(UnsignedOr(body, "limit", 0), strict.max_query_limit, "limit"));
    const auto exact = body.FindBool("exact");
    ALMAGEST_TRY_VOID(CheckExact(exact && exact->value_or(false), strict));
  } else if (call == "/points/count") {
    const auto exact = body.FindBool("exact");
    ALMAGEST_TRY_VOID(CheckExact(exact && exact->value_or(true), strict));
  }
  return CheckFilterOf(body, config, strict.unindexed_filtering_retrieve);
}

Result<> CheckVector(const std::string& name, const JsonValue& vector,
                     const StrictModeConfig& strict) {
  const auto limit_of = [&](const auto& limits) -> std::optional<uint64_t> {
    if (!limits) return std::nullopt;
    const auto found = limits->find(name);
    if (found == limits->end()) return std::nullopt;
    return found->second;
  };
  if (vector.IsArray()) {
    const auto limit = limit_of(strict.multivector_max_vectors);
    const auto rows = limit ? vector.Items() : Result<std::vector<JsonValue>>();
    if (limit && rows && !rows->empty() && rows->front().IsArray() && rows->size() > *limit) {
      return Fail(ErrorCode::kBadRequest,
                  fmt::format("Multivector '{}' has a limit of {} vectors, but {} were provided!",
                              name, *limit, rows->size()));
    }
    return {};
  }
  const auto limit = limit_of(strict.sparse_max_length);
  const auto indices = vector.Find("indices");
  const auto items = indices ? indices->Items() : Result<std::vector<JsonValue>>();
  if (limit && items && items->size() > *limit) {
    return Fail(ErrorCode::kBadRequest,
                fmt::format("Sparse vector '{}' has a limit of {} indices, but {} were provided!",
                            name, *limit, items->size()));
  }
  return {};
}

// The `vector` of a point: the unnamed one, or an object of named ones.
Result<> CheckVectors(const JsonValue& vectors, const StrictModeConfig& strict) {
  if (!vectors.IsObject()) return CheckVector("", vectors, strict);
  const auto members = vectors.Members();
  if (!members) return {};
  for (const auto& [name, vector] : *members) {
    ALMAGEST_TRY_VOID(CheckVector(std::string(name), vector, strict));
  }
  return {};
}

// {"batch": {"vectors": [..] or {"name": [..]}}}
Result<> CheckColumns(const JsonValue& batch, const StrictModeConfig& strict) {
  const auto vectors = batch.Find("vectors");
  if (!vectors) return {};
  const auto check = [&](const std::string& name, const JsonValue& column) -> Result<> {
    const auto items = column.Items();
    if (!items) return {};
    for (const JsonValue& item : *items) ALMAGEST_TRY_VOID(CheckVector(name, item, strict));
    return {};
  };
  if (vectors->IsArray()) return check("", *vectors);
  const auto members = vectors->Members();
  if (!members) return {};
  for (const auto& [name, column] : *members) {
    ALMAGEST_TRY_VOID(check(std::string(name), column));
  }
  return {};
}

// The points of an upsert or of new vectors: how many, and how large their vectors are.
Result<> CheckPoints(const JsonValue& body, const StrictModeConfig& strict,
                     std::string_view limit_name) {
  const bool sizes = strict.multivector_max_vectors || strict.sparse_max_length;
  const auto batch = body.Find("batch");
  const auto list = batch ? batch->Find("ids") : body.Find("points");
  const auto items = list ? list->Items() : Result<std::vector<JsonValue>>();
  if (!items) return {};
  ALMAGEST_TRY_VOID(CheckLimit(uint64_t{items->size()}, strict.upsert_max_batchsize, limit_name));
  if (!sizes) return {};
  if (batch) return CheckColumns(*batch, strict);
  for (const JsonValue& point : *items) {
    auto vectors = point.Find("vector");
    if (!vectors) vectors = point.Find("vectors");
    if (vectors) ALMAGEST_TRY_VOID(CheckVectors(*vectors, strict));
  }
  return {};
}

Result<> CheckMemory(const StrictModeConfig& strict) {
  if (!strict.max_resident_memory_percent) return {};
  const auto used = ResidentMemoryPercent();
  if (!used || *used < *strict.max_resident_memory_percent) return {};
  return Fail(StrictModeError(
      fmt::format("Resident memory usage is at {}% of total memory, exceeding the configured limit "
                  "of {}%",
                  *used, *strict.max_resident_memory_percent),
      "Reduce memory usage (e.g. delete points or drop collections), or raise "
      "`max_resident_memory_percent` in the strict mode config of this collection."));
}

Result<> CheckTimeout(const HttpRequest& request, const StrictModeConfig& strict) {
  const std::string* text = request.FindQuery("timeout");
  uint64_t seconds = 0;
  if (text == nullptr) return {};
  std::from_chars(text->data(), text->data() + text->size(), seconds);
  return CheckLimit(seconds, strict.max_timeout, "timeout");
}

bool IsWrite(std::string_view method, std::string_view call) {
  return method == "PUT" || call == "/points/batch" || call == "/points/payload" ||
         call.ends_with("/delete") || call.ends_with("/clear");
}

}  // namespace

uint64_t StrictMode::PayloadBytes(const Collection& collection) {
  constexpr int kUses = 32;
  constexpr size_t kSample = 1000;
  {
    const std::lock_guard lock(mutex_);
    Estimate& estimate = estimates_[collection.id()];
    if (estimate.uses_left-- > 0) return estimate.bytes;
  }
  const auto live = collection.MatchingSlots(Filter(), Deadline());
  if (!live || live->empty()) return 0;
  const std::vector<Slot> slots = live->ToVector();
  std::vector<Slot> sample;
  for (size_t i = 0; i < std::min(kSample, slots.size()); ++i) {
    sample.push_back(slots[i * slots.size() / std::min(kSample, slots.size())]);
  }
  const auto payloads = collection.Payloads(sample);
  if (!payloads) return 0;
  double bytes = 0;
  for (const std::string& payload : *payloads) bytes += static_cast<double>(payload.size());
  bytes *= static_cast<double>(slots.size()) / static_cast<double>(sample.size());
  const std::lock_guard lock(mutex_);
  // A small collection is counted exactly, and each time.
  estimates_[collection.id()] = {static_cast<uint64_t>(bytes), slots.size() <= kSample ? 0 : kUses};
  return static_cast<uint64_t>(bytes);
}

Result<> StrictMode::CheckSize(const Collection& collection, const CollectionConfig& config) {
  const StrictModeConfig& strict = config.strict_mode;
  constexpr float kMegabyte = 1024.0F * 1024.0F;
  if (const auto limit = strict.max_collection_vector_size_bytes;
      limit && VectorBytes(collection, config) >= *limit) {
    return Fail(ErrorCode::kBadRequest,
                fmt::format("Max vector storage size limit of {}MB reached!",
                            static_cast<float>(*limit) / kMegabyte));
  }
  if (const auto limit = strict.max_collection_payload_size_bytes;
      limit && PayloadBytes(collection) >= *limit) {
    return Fail(ErrorCode::kBadRequest,
                fmt::format("Max payload storage size limit of {}MB reached!",
                            static_cast<float>(*limit) / kMegabyte));
  }
  if (const auto limit = strict.max_points_count; limit && collection.point_count() >= *limit) {
    return Fail(ErrorCode::kBadRequest,
                fmt::format("Max points count limit of {} reached!", *limit));
  }
  return {};
}

Result<> StrictMode::CheckWrite(const JsonValue& body, std::string_view call,
                                const Collection& collection, const CollectionConfig& config) {
  const StrictModeConfig& strict = config.strict_mode;
  if (call == "upsert" || call == "update_vectors") {
    ALMAGEST_TRY_VOID(
        CheckPoints(body, strict, call == "upsert" ? "upsert limit" : "update limit"));
    ALMAGEST_TRY_VOID(CheckMemory(strict));
    ALMAGEST_TRY_VOID(CheckSize(collection, config));
    return CheckFilterOf(body, config, strict.unindexed_filtering_update, "update_filter");
  }
  if (call == "set_payload" || call == "overwrite_payload") {
    ALMAGEST_TRY_VOID(CheckMemory(strict));
    if (const auto limit = strict.max_collection_payload_size_bytes) {
      CollectionConfig payload_only;
      payload_only.strict_mode.max_collection_payload_size_bytes = limit;
      ALMAGEST_TRY_VOID(CheckSize(collection, payload_only));
    }
  }
  if (call == "index") {
    const auto limit = strict.max_payload_index_count;
    if (!limit || config.payload_indexes.size() < *limit) return {};
    return Fail(StrictModeError(
        fmt::format("Collection already has the maximum number of payload indices ({})", *limit),
        "Please delete an existing index before creating a new one."));
  }
  return CheckFilterOf(body, config, strict.unindexed_filtering_update);
}

std::optional<StrictRefusal> StrictMode::CheckRate(const StrictModeConfig& strict,
                                                   CollectionId collection, bool is_write,
                                                   uint64_t cost) {
  const auto limit = is_write ? strict.write_rate_limit : strict.read_rate_limit;
  if (!limit) return std::nullopt;
  const auto refusal = limiter_.Take(
      collection, is_write ? RateLimiter::Kind::kWrite : RateLimiter::Kind::kRead, *limit, cost);
  if (!refusal) return std::nullopt;
  const char* kind = is_write ? "Write" : "Read";
  std::string text = fmt::format("{} rate limit exceeded, retry later", kind);
  if (cost > 1) {
    text = fmt::format(
        "{} rate limit exceeded: Operation requires {} tokens but only {:.0f} were "
        "left. Retry after {}s",
        kind, cost, refusal->available, refusal->retry_after_seconds);
  }
  return StrictRefusal{{ErrorCode::kResourceExhausted, std::move(text)},
                       refusal->retry_after_seconds};
}

std::optional<StrictRefusal> StrictMode::Check(Service& service, const HttpRequest& request) {
  constexpr std::string_view kPrefix = "/collections/{collection}";
  std::string_view call = request.route->pattern;
  if (!call.starts_with(kPrefix)) return std::nullopt;
  call.remove_prefix(kPrefix.size());
  if (!call.starts_with("/points") && call != "/facet" && !call.starts_with("/index")) {
    return std::nullopt;
  }
  const auto collection = PathCollection(service, request);
  if (!collection) return std::nullopt;
  if (!(*collection)->has_strict_mode()) return std::nullopt;
  const CollectionConfig config = (*collection)->config();
  const StrictModeConfig& strict = config.strict_mode;
  const bool is_write = IsWrite(request.method, call) || call.starts_with("/index");
  const bool is_array = HasBytes(request);
  if (is_array && is_write && (strict.upsert_max_batchsize || strict.sparse_max_length)) {
    return StrictRefusal{StrictModeError("Points of this type are not counted",
                                         "Send the points as application/json."),
                         std::nullopt};
  }
  std::string instead = "{}";
  if (is_array && !is_write) instead = NpyQueriesAsJson(request);
  auto body = ParseJsonBody(is_array || request.body.empty() ? instead : request.body);
  if (!body || !body->IsObject()) body = ParseJsonBody("{}");
  const auto check = [&]() -> Result<> {
    ALMAGEST_TRY_VOID(CheckTimeout(request, strict));
    if (!IsWrite(request.method, call)) return CheckRead(*body, call, config);
    if (call == "/points/batch") {
      const auto operations = body->Find("operations");
      const auto items = operations ? operations->Items() : Result<std::vector<JsonValue>>();
      if (!items) return {};
      for (const JsonValue& item : *items) {
        const auto members = item.Members();
        if (!members || members->empty()) continue;
        const auto& [name, operation] = members->front();
        ALMAGEST_TRY_VOID(CheckWrite(operation, name, **collection, config));
      }
      return {};
    }
    const bool put = request.method == "PUT";
    const std::string_view name = call == "/points"           ? (put ? "upsert" : "")
                                  : call == "/points/vectors" ? "update_vectors"
                                  : call == "/points/payload" ? "set_payload"
                                  : call == "/index"          ? "index"
                                                              : "";
    return CheckWrite(*body, name, **collection, config);
  };
  if (const auto allowed = check(); !allowed) return StrictRefusal{allowed.error(), std::nullopt};
  if (!(is_write ? strict.write_rate_limit : strict.read_rate_limit)) return std::nullopt;
  const uint64_t cost = is_write ? WriteCost(*body, **collection) : ReadCost(*body);
  return CheckRate(strict, (*collection)->id(), is_write, cost);
}

}  // namespace almagest
