#include "http/npy_queries.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "http/error_response.h"
#include "http/json_writer.h"
#include "http/npy_array.h"
#include "http/read_options.h"
#include "http/service.h"

namespace almagest {
namespace {

constexpr std::array<std::string_view, 12> kParameters = {
    "using",   "limit", "offset",       "score_threshold", "with_payload", "with_vector",
    "hnsw_ef", "exact", "indexed_only", "adapter_version", "timeout",      "consistency"};

Error ArrayError(std::string_view place, std::string_view value, std::string_view must_be) {
  return Error{ErrorCode::kOutOfRange,
               fmt::format("Validation error in the array: [{}: value {} invalid, must be {}]",
                           place, value, must_be)};
}

// A parameter that is given twice would be read once.
Result<> CheckNames(const HttpRequest& request) {
  for (size_t i = 0; i < request.query_params.size(); ++i) {
    const std::string& name = request.query_params[i].first;
    if (std::ranges::find(kParameters, name) == kParameters.end()) {
      return Fail(QueryParameterError(
          name.substr(0, 100),
          fmt::format("is unknown, expected one of {}", fmt::join(kParameters, ", "))));
    }
    if (request.FindQuery(name) != &request.query_params[i].second) {
      return Fail(QueryParameterError(name, "is given twice"));
    }
  }
  return {};
}

Result<std::optional<double>> QueryThreshold(const HttpRequest& request) {
  const std::string* text = request.FindQuery("score_threshold");
  if (text == nullptr) return std::optional<double>();
  float value = 0;
  const char* const end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, value);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(value)) {
    return Fail(QueryParameterError(
        "score_threshold", fmt::format("is '{}', must be a finite number", text->substr(0, 100))));
  }
  return std::optional<double>(value);
}

Result<QueryRequest> ReadShared(const HttpRequest& request) {
  QueryRequest shared;
  QueryNode& node = shared.root;
  if (const std::string* name = request.FindQuery("using")) node.using_vector = *name;
  ALMAGEST_TRY(node.limit, QueryUnsigned(request, "limit", 1, UINT64_MAX, kQueryLimitDefault));
  ALMAGEST_TRY(shared.offset, QueryUnsigned(request, "offset", 0, UINT64_MAX, 0));
  ALMAGEST_TRY(node.score_threshold, QueryThreshold(request));
  ALMAGEST_TRY(const bool with_payload, QueryBool(request, "with_payload"));
  ALMAGEST_TRY(const bool with_vector, QueryBool(request, "with_vector"));
  ALMAGEST_TRY(node.params.exact, QueryBool(request, "exact"));
  ALMAGEST_TRY(node.params.indexed_only, QueryBool(request, "indexed_only"));
  if (request.FindQuery("hnsw_ef") != nullptr) {
    ALMAGEST_TRY(const uint64_t width, QueryUnsigned(request, "hnsw_ef", 1, kBeamWidthMax, 1));
    node.params.beam_width = static_cast<uint32_t>(width);
  }
  if (request.FindQuery("adapter_version") != nullptr) {
    ALMAGEST_TRY(const uint64_t id, QueryUnsigned(request, "adapter_version", 0, UINT32_MAX, 0));
    node.params.adapter_version = static_cast<VersionId>(id);
  }
  if (with_payload) shared.with_payload.mode = PayloadSelector::Mode::kAll;
  if (with_vector) shared.with_vector.kind = VectorSelector::Kind::kAll;
  return shared;
}

}  // namespace

Result<std::vector<ParsedQuery>> ParseNpyQueries(const HttpRequest& request) {
  ALMAGEST_TRY_VOID(CheckNames(request));
  ALMAGEST_TRY(const QueryRequest shared, ReadShared(request));
  ALMAGEST_TRY(const NpyArray array, ReadNpyArray(request.body));
  if (array.rows > kSearchesMax) {
    return Fail(ArrayError("shape", fmt::format("({}, {})", array.rows, array.dimension),
                           fmt::format("at most {} rows", kSearchesMax)));
  }
  std::vector<ParsedQuery> queries(array.rows);
  for (uint64_t row = 0; row < array.rows; ++row) {
    DenseVector vector = array.Row(row);
    const auto is_bad = [](float value) { return !std::isfinite(value); };
    if (const auto bad = std::ranges::find_if(vector, is_bad); bad != vector.end()) {
      return Fail(ArrayError(fmt::format("[{}][{}]", row, bad - vector.begin()),
                             fmt::format("{}", *bad), "a finite 32-bit float"));
    }
    ParsedQuery& query = queries[row];
    query.request = shared;
    query.logged = LoggedLeg{shared.root.using_vector, vector, std::nullopt,
                             shared.root.params.adapter_version};
    query.request.root.query = NearestQuery{std::move(vector)};
  }
  return queries;
}

std::string NpyQueriesAsJson(const HttpRequest& request) {
  const auto shared = ReadShared(request);
  const auto array = ReadNpyArray(request.body);
  if (!shared || !array || array->rows > kSearchesMax) return "{}";
  const QueryNode& node = shared->root;
  JsonWriter json;
  json.BeginObject().Key("searches").BeginArray();
  for (uint64_t row = 0; row < array->rows; ++row) {
    json.BeginObject().Key("limit").Unsigned(node.limit).Key("params").BeginObject();
    if (node.params.beam_width) json.Key("hnsw_ef").Unsigned(*node.params.beam_width);
    json.Key("exact").Bool(node.params.exact).EndObject().EndObject();
  }
  json.EndArray().EndObject();
  return json.Take();
}

}  // namespace almagest
