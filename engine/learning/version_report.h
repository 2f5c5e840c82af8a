// The adapter versions of a field as the REST API lists them.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "engine/collection/version_set.h"

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

}  // namespace almagest
