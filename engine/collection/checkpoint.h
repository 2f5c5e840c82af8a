// Writing the point table's checkpoint (points_file.h): what keeps the replay at the next opening
// short. Writes and searches go on meanwhile.
#pragma once

#include <functional>

#include "engine/collection/collection_state.h"

namespace almagest {

// So much was logged since the last one that replaying it would be felt (docs/decisions/0006): more
// than 20,000 points and an eighth of all, or more than 2,000,000 terms.
bool CheckpointDue(const CollectionState& state);
// The new file, then one atomic write that makes it the current one and drops the log up to it.
// False if `going_on` stopped it. Under optimizer_mutex only; takes writer_mutex twice, for copies
// of bitmaps (a millisecond per million points).
Result<bool> WriteCheckpoint(CollectionState& state, const std::function<bool()>& going_on);

}  // namespace almagest
