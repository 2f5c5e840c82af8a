#include "engine/learning/text_leg_export.h"

#include <algorithm>

#include "engine/search/query_executor.h"
#include "engine/text/bm25.h"
#include "storage/base/safetensors.h"

namespace almagest {
namespace {

// The one sparse field whose weights are multiplied by the idf; nullopt for none or several.
std::optional<std::string> TextField(const Collection& collection) {
  const CollectionConfig config = collection.config();
  std::optional<std::string> name;
  for (const auto& [field, sparse] : config.sparse) {
    if (!sparse.idf) continue;
    if (name) return std::nullopt;
    name = field;
  }
  return name;
}

}  // namespace

Result<bool> WriteTextLeg(const Collection& collection,
                          const std::vector<std::optional<std::string>>& texts,
                          const std::function<std::optional<int32_t>(const PointId&)>& row_of,
                          const std::atomic<bool>& cancel, const std::filesystem::path& path) {
  const std::optional<std::string> field = TextField(collection);
  const auto with_text = static_cast<size_t>(
      std::count_if(texts.begin(), texts.end(), [](const auto& text) { return text.has_value(); }));
  if (!field || with_text < kTextLegQueriesMin) return false;
  ALMAGEST_TRY(const Bm25 model, Bm25::Create({}));
  std::vector<int32_t> rows(texts.size() * kTextLegDepth, -1);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (cancel.load()) return Fail(ErrorCode::kUnavailable, "cancelled");
    if (!texts[i]) continue;
    SparseTerms terms = model.Query(*texts[i]);
    if (terms.indices.empty()) continue;
    ALMAGEST_TRY(SparseVector query,
                 MakeSparseVector(std::move(terms.indices), std::move(terms.values)));
    QueryRequest request;
    request.root.query = NearestQuery{std::move(query)};
    request.root.using_vector = *field;
    request.root.limit = kTextLegDepth;
    ALMAGEST_TRY(const std::vector<Hit> hits, ExecuteQuery(collection, request));
    size_t at = i * kTextLegDepth;
    for (const Hit& hit : hits) {
      // A point written since the documents were exported has no row.
      if (const auto row = row_of(hit.id)) rows[at++] = *row;
    }
  }
  SafetensorsWriter writer;
  writer.AddInt32("documents",
                  {static_cast<int64_t>(texts.size()), static_cast<int64_t>(kTextLegDepth)}, rows);
  ALMAGEST_TRY_VOID(writer.Write(path));
  return true;
}

}  // namespace almagest
