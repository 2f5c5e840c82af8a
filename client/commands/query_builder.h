// Builds query requests of the API: by text, by vector, by point, and hybrid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "client/client.h"

namespace almagest::client {

inline constexpr std::string_view kDenseTextModel = "use-lite";
inline constexpr std::string_view kSparseTextModel = "qdrant/bm25";

// {"text": ..., "model": ...}: the server turns it into a vector.
Json TextVector(std::string_view text, std::string_view model);

// A query node of the API: nearest to `target` in the field `using_vector` ("": the unnamed one).
Json NearestNode(const Json& target, std::string_view using_vector, uint32_t limit);

// Reciprocal rank fusion (Cormack et al. 2009, k = 60) of the first `depth` of a dense and a sparse
// search.
Json HybridNode(const Json& dense_target, std::string_view dense_name, const Json& sparse_target,
                std::string_view sparse_name, uint32_t depth, uint32_t limit);

// The dense and the sparse vector fields of a collection, from GET /collections/{c}.
struct VectorFields {
  std::vector<std::string> dense;  // "" is the unnamed one.
  std::vector<std::string> sparse;
};
VectorFields FieldsOf(const Json& collection_info);
// `chosen` if given, else the only entry of `names`. Throws ClientError that lists them when there
// are none or several; `option` is what the user should give.
std::string OnlyOrChosen(const std::vector<std::string>& names, const std::string& chosen,
                         std::string_view kind, std::string_view option);

// JSON from the command line; throws ClientError naming the option.
Json ParseOption(const std::string& text, std::string_view option);

}  // namespace almagest::client
