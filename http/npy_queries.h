// A body of bytes to a batch of queries: each row of a .npy array (npy_array.h) is a nearest
// search, and the query string says what all of them share, in the words of a query's JSON:
// `using`, `limit`, `offset`, `score_threshold`, `with_payload`, `with_vector`, and of `params`
// `hnsw_ef`, `exact`, `indexed_only` and `adapter_version`. Filters and prefetches need JSON.
#pragma once

#include <string>
#include <vector>

#include "http/http_message.h"
#include "http/query_parser.h"

namespace almagest {

// 400 for a parameter or an array of the wrong form, and for a parameter that is not one of the
// above (or of every read: `timeout`, `consistency`); 422 for a value out of its range, more than
// kSearchesMax rows, and a float that is not finite. The dimension is checked where it is searched.
Result<std::vector<ParsedQuery>> ParseNpyQueries(const HttpRequest& request);

// The same batch as {"searches": [...]} without the vectors: what strict mode counts. {} where
// there is no such batch; ParseNpyQueries says why.
std::string NpyQueriesAsJson(const HttpRequest& request);

}  // namespace almagest
