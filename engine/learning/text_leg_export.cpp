#include "engine/learning/text_leg_export.h"

#include <algorithm>
#include <map>

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

Result<bool> WriteNeighbours(const Collection& collection, uint64_t row_count, uint64_t queries,
                             const std::function<std::optional<int32_t>(const PointId&)>& row_of,
                             const std::atomic<bool>& cancel, const std::filesystem::path& path) {
  const std::optional<std::string> field = TextField(collection);
  if (!field || queries > kNeighbourQueriesMax || row_count == 0) return false;
  // Rows are in the order of slots, points are visited in the order of ids.
  const uint64_t count = std::min<uint64_t>(row_count, kNeighbourDocuments);
  std::map<int32_t, PointId> drawn;
  ALMAGEST_TRY_VOID(collection.VisitPoints(std::nullopt, [&](const PointId& id, Slot) {
    if (const auto row = row_of(id)) {
      const uint64_t nth = (static_cast<uint64_t>(*row) * count + row_count - 1) / row_count;
      if (nth < count && nth * row_count / count == static_cast<uint64_t>(*row)) {
        drawn.emplace(*row, id);
      }
    }
    return !cancel.load(std::memory_order_relaxed);
  }));
  std::vector<int32_t> documents;
  std::vector<int32_t> neighbours;
  for (const auto& [row, id] : drawn) {
    if (cancel.load()) return Fail(ErrorCode::kUnavailable, "cancelled");
    QueryRequest request;
    request.root.query = NearestQuery{id};  // Which leaves the point itself out.
    request.root.using_vector = *field;
    request.root.limit = kNeighbourDepth;
    const auto hits = ExecuteQuery(collection, request);
    if (!hits && hits.error().code == ErrorCode::kNotFound)
      continue;  // No words, or deleted since.
    if (!hits) return tl::unexpected(hits.error());
    documents.push_back(row);
    neighbours.resize(documents.size() * kNeighbourDepth, -1);
    size_t at = (documents.size() - 1) * kNeighbourDepth;
    for (const Hit& hit : *hits) {
      if (const auto near = row_of(hit.id)) neighbours[at++] = *near;
    }
  }
  if (documents.empty()) return false;
  const auto written = static_cast<int64_t>(documents.size());
  SafetensorsWriter writer;
  writer.AddInt32("documents", {written}, documents);
  writer.AddInt32("neighbours", {written, static_cast<int64_t>(kNeighbourDepth)}, neighbours);
  ALMAGEST_TRY_VOID(writer.Write(path));
  return true;
}

}  // namespace almagest
