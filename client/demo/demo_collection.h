// The demo's collection: how it is made, filled and searched.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/client.h"
#include "client/commands/query_builder.h"
#include "client/demo/reverse_dictionary.h"

namespace almagest::client {

inline constexpr std::string_view kDemoCollection = "reverse-dictionary";
inline constexpr std::string_view kDemoDenseVector = "gloss";
inline constexpr std::string_view kDemoSparseVector = "terms";
inline constexpr uint32_t kDemoDepth = 100;  // Results of each leg that hybrid search fuses.

// Vectors "gloss" (use-lite, cosine) and "terms" (BM25 with IDF), keyword indexes on lemmas, pos
// and lexname. Drops an earlier one.
void CreateDemoCollection(Client& client);

// Uploads the glosses as text (the server embeds them), with a progress bar.
void LoadDemoCollection(const ClientOptions& options, const std::vector<Synset>& documents);

// Query nodes; a target is a text object or a placeholder (learning_request.h).
Json DemoDenseQuery(const Json& target, uint32_t limit);
Json DemoSparseQuery(const Json& target, uint32_t limit);
Json DemoHybridQuery(const Json& dense_target, const Json& sparse_target, uint32_t limit);

// The first lemma of each hit, "cobbler, shoemaker, ...".
std::string WordsFound(const QueryAnswer& answer);

// Mean number of words of a gloss that BM25 keeps (no stop words): its avg_len.
double MeanTermCount(const std::vector<Synset>& documents);

}  // namespace almagest::client
