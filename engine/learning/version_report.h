// The adapter versions of a field as the REST API lists them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "engine/collection/version_set.h"
#include "engine/learning/feedback.h"

namespace almagest {

// JSON text:
//   {"active": 2, "total": 3, "next_offset": null, "versions": [
//    {"version": 2, "parent": 0, "kind": "two_sided_linear",
//     "status": "active", "created_at_ms": 1732000000000, "job_id": "job-3", "tainted": false,
//     "reason": "...", "metrics": {...}, "gain": {...}, "gate": {...}, "compatibility": {...},
//     "export": {...}}, ...]}
// Newest first, version 0 (the identity) last: at most `limit` of those up to `newest`. `total`: of
// all versions. `next_offset`: the `newest` of the page after this one. The last five keys are
// those of the trainer's report (docs/job-folder.md), null where it has none. `tainted`: feedback
// that the version learned from was deleted later; training starts from base vectors, so a child
// does not inherit it. `tainted_jobs` holds job numbers (job_codec.h). Cost: that of the versions
// listed.
std::string VersionReport(const VersionSet& versions, const std::set<uint64_t>& tainted_jobs,
                          VersionId newest, size_t limit);

// One version in full, as JSON text: its keys up to `tainted` above, and `report`, everything that
// the trainer said (docs/job-folder.md; null where it said nothing). The queries of its `changes`
// come with what their feedback event knows of them:
//   {"event": 17, "active": 0.2, "trained": 0.9,
//    "text": "a small bird", "query_id": "...", "relevant": [5, 9]}
// The last three are null once the event is deleted: nothing of a query is kept with the version.
// `relevant`: the first ten points that the event names so. Errors: those of `find_event`.
using FindEvent = std::function<Result<std::optional<FeedbackEvent>>(uint64_t id)>;
Result<std::string> VersionDetails(const AdapterVersion& version,
                                   const std::set<uint64_t>& tainted_jobs,
                                   const FindEvent& find_event);

}  // namespace almagest
