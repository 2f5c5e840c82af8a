// The adapter version that a query names for itself (SearchParams::adapter_version): a tenant's or
// a locale's own, while another one is active.
#pragma once

#include <string>

#include "engine/collection/collection.h"
#include "engine/query.h"

namespace almagest {

// Whether every version that `node` or a node below it names can be searched by. `path` is where
// the node is in the request ("" for the query itself). Costs a look at each node where none does.
//   kInvalidArgument     the node compares no vector, or one that has no versions.
//   kNotFound            the vector has no such version; the message says which it has.
//   kFailedPrecondition  the version was rejected by its gate and never activated since.
Result<> CheckNamedVersions(const Collection& collection, const CollectionView& view,
                            const QueryNode& node, const std::string& path);

// Whether `node` or a node below it names a version.
bool NamesVersion(const QueryNode& node);

}  // namespace almagest
