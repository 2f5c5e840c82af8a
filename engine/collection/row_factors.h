// Computes row factors (segment.h) from served rows alone, so that preparing a version reads
// nothing from storage.
#pragma once

#include <memory>

#include "engine/collection/segment.h"
#include "engine/collection/version_set.h"

namespace almagest {

// Makes sure that `segment` holds factors for searching its rows of `field` as `target`, for all
// rows published when the call began. Does nothing when the document maps are the same, or when
// the field is not normalised (its scores need no per-row factor). Factors that are there already
// are extended, not computed again. They are set for the target's document group; with `keep` they
// stay (Segment::SetRowFactors).
// With n_k the stored norm of row r_k (1 where none is stored) and M, v of version_set.h:
//   n_t = |n_k M r_k + v|,  scale = n_k / n_t,  offset = 1 / n_t  (both 0 where n_t is 0: the
// point then has score 0, as a zero vector has).
// Errors: those of VersionSet::Cross; kTimeout once the deadline has passed, which keeps the
// factors of the rows it came to. Cost: one D x D product per row, by oneDNN in batches; of threads
// that ask for the same one does it, and the others wait. Nothing is read or composed where all are
// there. Returns them; nullptr where nothing is needed.
Result<std::shared_ptr<const RowFactors>> PrepareRowFactors(const VersionSet& versions,
                                                            const Segment& segment, FieldId field,
                                                            VersionId target, bool keep,
                                                            const Deadline& deadline = {});

// Makes sure that searches as the active version of `versions` find all that they need to search
// the segment: the map composed, and the factors, which stay. Does nothing for rows of a version
// that the set does not know: their vector was removed.
Result<> PrepareActive(const VersionSet& versions, const Segment& segment, FieldId field);

}  // namespace almagest
