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

class Bridge;  // bridge.h

struct CollectionView {
  // At most one growing segment, last. A live point's current row is in exactly one segment.
  std::vector<std::shared_ptr<const Segment>> segments;
  // The id of the segment that was started last for new rows. A search whose view is behind in
  // this may have met a row that died for a new one in a segment which it does not see: it has to
  // run again. Everything else about a view stays true while it is held.
  uint64_t newest_growing = 0;
  // One per dense field.
  std::map<FieldId, std::shared_ptr<const VersionSet>> versions;
  // Those that are active, by the field that queries come in.
  std::map<FieldId, std::shared_ptr<const Bridge>> bridges;
};

}  // namespace almagest
