#include "engine/search/named_version.h"

#include <algorithm>

#include "engine/search/vector_query.h"

namespace almagest {
namespace {

constexpr size_t kListedMax = 16;

// "0, 1, 2", or where there are many "1001, from 0 to 1000".
std::string KnownVersions(const VersionSet& versions) {
  const std::vector<AdapterVersion>& known = versions.versions();
  if (known.size() > kListedMax) {
    return std::to_string(known.size()) + ", from 0 to " + std::to_string(known.back().id);
  }
  std::string list;
  for (const AdapterVersion& version : known) {
    list += (list.empty() ? "" : ", ") + std::to_string(version.id);
  }
  return list;
}

Result<> CheckNamedVersion(const Collection& collection, const CollectionView& view,
                           const QueryNode& node, const std::string& path) {
  const VersionId id = *node.params.adapter_version;
  const std::string field_path = path + (path.empty() ? "" : ".") + "params.adapter_version";
  const std::string given = field_path + " is " + std::to_string(id) + ", but ";
  if (!node.query || !IsVectorQuery(*node.query)) {
    return Fail(ErrorCode::kInvalidArgument,
                given + "the query compares no vector; it belongs to the prefetch that does");
  }
  ALMAGEST_TRY(const Collection::Field field, collection.FindField(node.using_vector));
  const std::string vector = "vector '" + node.using_vector + "'";
  const auto versions = view.versions.find(field.id);
  if (field.is_sparse || field.is_multi() || versions == view.versions.end()) {
    return Fail(ErrorCode::kInvalidArgument,
                given + vector + " has no adapter versions; those with one dense vector have");
  }
  const AdapterVersion* version = versions->second->Find(id);
  if (version == nullptr) {
    return Fail(ErrorCode::kNotFound, given + vector + " has no such version; it has " +
                                          KnownVersions(*versions->second));
  }
  if (version->status == VersionStatus::kRejected) {
    return Fail(ErrorCode::kFailedPrecondition,
                given + "that version of " + vector +
                    " was rejected; `evaluate` can measure it, and activating it with force admits "
                    "it to searches");
  }
  return {};
}

}  // namespace

Result<> CheckNamedVersions(const Collection& collection, const CollectionView& view,
                            const QueryNode& node, const std::string& path) {
  if (node.params.adapter_version) {
    ALMAGEST_TRY_VOID(CheckNamedVersion(collection, view, node, path));
  }
  for (size_t i = 0; i < node.prefetch.size(); ++i) {
    if (!NamesVersion(node.prefetch[i])) continue;
    ALMAGEST_TRY_VOID(CheckNamedVersions(
        collection, view, node.prefetch[i],
        path + (path.empty() ? "" : ".") + "prefetch[" + std::to_string(i) + "]"));
  }
  return {};
}

bool NamesVersion(const QueryNode& node) {
  return node.params.adapter_version || std::ranges::any_of(node.prefetch, NamesVersion);
}

}  // namespace almagest
