// What one search sees: a fixed list of segments with the versions active at that moment. Taken
// with one atomic load, so that an activation or a rewrite is seen whole or not at all.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/collection/segment.h"
#include "engine/collection/version_set.h"

namespace almagest {

struct CollectionView {
  // At most one growing segment, last. A live point's current row is in exactly one segment.
  std::vector<std::shared_ptr<const Segment>> segments;
  // One per dense field.
  std::map<FieldId, std::shared_ptr<const VersionSet>> versions;
};

}  // namespace almagest
