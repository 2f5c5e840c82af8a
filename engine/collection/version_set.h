// Adapter versions of one dense field: their maps, which one is active, and the algebra that lets
// a query of one version search rows of another exactly (TRAINING notes 2.1, extended to affine
// maps; derived in docs/architecture.md).
//
//   served query    q_t = l2(Q_t q + c_t + U_t h_t(q))   served row  r_k = l2(W_k x + b_k), n_k its
//                                                        norm
//   score as t of a row of k   = (n_k / n_t) * (M^T q_t) . r_k + (q_t . v) / n_t
//     with M = W_t W_k^-1,  v = b_t - M b_k
// Dot-product fields are not normalised: n = 1 everywhere.
//
// There may be thousands of versions, one for each tenant of an application. What is known of each
// is in memory; the maps of the active one are as well, and the M by which it searches rows of
// others, from when they were composed until another is active or no segment has such rows. Maps of
// the others are read when a search asks for them, and the latest asked for stay (kMapBytesMax of
// them, and as many bytes of M).
//
// Immutable after construction (the collection replaces the whole set), so freely shared.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/linalg/linear_map.h"
#include "engine/linalg/query_residual.h"
#include "engine/types.h"

namespace almagest {

enum class VersionStatus : uint8_t { kCandidate, kActive, kRetired, kRejected };
std::string_view VersionStatusName(VersionStatus status);  // "candidate", ...

// How to fuse the dense leg with a text leg, learned together with a version (docs/job-folder.md,
// `fusion`): the constant and the weights of weighted reciprocal rank fusion.
struct LearnedFusion {
  double k = 60;
  double dense = 1;
  double text = 1;
};

// The two sides of a version. nullptr: the identity.
struct AdapterMaps {
  std::shared_ptr<const LinearMap> query;
  std::shared_ptr<const LinearMap> document;
  std::shared_ptr<const QueryResidual> query_residual = nullptr;  // nullptr: none.
};
// The same for equal document maps, and for no others: empty for the identity, else 32 hex digits
// (two checksums of the weights and the bias). Cost: a pass over them.
std::string DocumentKeyOf(const AdapterMaps& maps);

struct AdapterVersion {
  VersionId id = 0;
  VersionId parent = 0;
  std::string kind;  // "identity", "whitening", "query_low_rank", "query_mlp", ...
  VersionStatus status = VersionStatus::kCandidate;
  int64_t created_at_ms = 0;            // Unix time.
  std::string job_id;                   // Empty: uploaded or built in.
  std::string report_json = "{}";       // The trainer's report; opaque here.
  std::optional<LearnedFusion> fusion;  // Of that report (LearnedFusionOf, version_store.h).
  std::string document_key;             // DocumentKeyOf its maps.
  // nullptr: to be read when they are needed (VersionSet::Maps).
  std::shared_ptr<const AdapterMaps> maps;
};

// Of one vector: maps of versions that are not active, and as much of composed ones.
inline constexpr size_t kMapBytesMax = size_t{64} << 20;

class VersionSet {
 public:
  // Reads the maps of a version from where they are stored. Called by many threads at once.
  using ReadMaps = std::function<Result<AdapterMaps>(VersionId)>;

  // The active version comes with its maps; `read` finds those of others. Where there is no `read`,
  // a version without maps is the identity.
  VersionSet(uint32_t dimension, bool normalised, std::vector<AdapterVersion> versions,
             VersionId active, ReadMaps read = nullptr, size_t map_bytes_max = kMapBytesMax);
  // A set of the same field with further versions or another active one. Shares the cached maps,
  // and those composed for the active one where it is the same.
  std::shared_ptr<const VersionSet> Successor(std::vector<AdapterVersion> versions,
                                              VersionId active) const;
  VersionId active() const { return active_; }
  uint32_t dimension() const { return dimension_; }
  bool normalised() const { return normalised_; }
  const AdapterVersion* Find(VersionId id) const;  // nullptr if unknown. 0 always exists.
  const std::vector<AdapterVersion>& versions() const { return versions_; }
  // Of the active version: always there.
  const AdapterMaps& active_maps() const { return *active_maps_; }
  // Of any version; never nullptr. kNotFound for an unknown one, else the errors of reading. Cost
  // of those that are not in memory: reading 4 D^2 bytes for each side that is not the identity,
  // and 8 D H for a hidden layer.
  Result<std::shared_ptr<const AdapterMaps>> Maps(VersionId version) const;
  // Whether rows of `a` serve as rows of `b` as they are. Unknown versions are like no other.
  bool SameDocumentMap(VersionId a, VersionId b) const;
  // The smallest version with the same document map: versions that leave documents alone are all
  // group 0, so what is prepared for rows is prepared for them at once.
  VersionId DocumentGroup(VersionId version) const;
  // Maps a base query by the query side of `version` (normalised when the field is), without a copy
  // where `base` is what comes out: else it is written to `room`. Errors: those of Maps.
  Result<std::span<const float>> MapQuery(VersionId version, std::span<const float> base,
                                          std::vector<float>& room) const;
  // For scoring rows of `row_version` as rows of `query_version`; nullptr when the two have the
  // same document map. Cached after the first call (those for the active version until another is
  // active, or KeepComposed); thread-safe: of callers who miss the same one composes, and the
  // others wait for it. Errors: those of Maps and of composing; kTimeout where the deadline passes
  // before composing begins. What has begun is finished, and kept: a search whose time is shorter
  // than that would else never be answered, however often it is asked. Cost of a miss:
  // linear_map.h.
  Result<std::shared_ptr<const CrossVersionMap>> Cross(VersionId query_version,
                                                       VersionId row_version,
                                                       const Deadline& deadline = {}) const;
  // Of the maps composed for the active version, forgets those for rows of others than
  // `row_versions`. If a search that began before asks for one again, it is kept like those of
  // versions that are not active.
  void KeepComposed(std::span<const VersionId> row_versions) const;

 private:
  struct Cache;
  struct ActiveMaps;
  VersionSet(uint32_t dimension, bool normalised, std::vector<AdapterVersion> versions,
             VersionId active, std::shared_ptr<Cache> cache,
             std::shared_ptr<ActiveMaps> active_composed);
  // By document groups of query and rows: whether it is kept for the active version. Under the
  // lock of what is.
  bool KeptForActive(const std::pair<VersionId, VersionId>& key) const;
  // nullptr where it has to be composed.
  std::shared_ptr<const CrossVersionMap> Composed(const std::pair<VersionId, VersionId>& key) const;

  uint32_t dimension_;
  bool normalised_;
  std::vector<AdapterVersion> versions_;
  VersionId active_;
  std::shared_ptr<const AdapterMaps> active_maps_;
  std::vector<VersionId> document_groups_;  // Parallel to versions_.
  std::shared_ptr<Cache> cache_;
  std::shared_ptr<ActiveMaps> active_composed_;
};

}  // namespace almagest
