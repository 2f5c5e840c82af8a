// Payload index of points on the Earth: an R-tree (Guttman 1984) over longitude and latitude.
// Answers geo conditions exactly: the tree gives the points in the boxes that cover the area, and
// each of them is tested. Inside engine/payload only.
#pragma once

#include <memory>

#include "engine/payload/payload_index.h"

namespace almagest {

std::unique_ptr<PayloadIndex> MakeGeoIndex(PayloadPath path, const PayloadIndexConfig& config);

}  // namespace almagest
