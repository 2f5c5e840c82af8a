// The ways of training versions that the compatibility benchmark compares: which map is learned,
// with which terms besides the feedback, and how queries of one version search documents of
// another.
#pragma once

#include <vector>

namespace almagest::bench {

enum class MapShape { kLinear, kMlp };

// How queries of version t search documents stored by version k.
enum class Serving {
  kAsStored,  // Inner products of what each version made; nothing is done about the difference.
  kFolded,    // Linear maps: the scores of version t, exactly, by algebra (decision 0002).
  kFitted,    // Ridge regression from the documents as k stored them to what t makes of them, which
              // are pairs that cost nothing; the same work per query and document as kFolded.
};

struct ServedAs {
  const char* name;
  Serving serving;
};

// What draws every version towards fixed targets: nothing; the similarities to prototypes that the
// base vector has (KL); or the one prototype of its pseudo-class (cross-entropy, smoothed).
enum class Anchor { kNone, kSoft, kHard };

struct CompatibilityArm {
  std::vector<ServedAs> served;  // One training, measured under each of these.
  MapShape shape = MapShape::kMlp;
  bool maps_documents = true;  // False: documents stay base vectors.
  Anchor anchor = Anchor::kNone;
  bool simplex = true;              // Prototypes: the aligned simplex, or else the centroids.
  double anchor_weight = 0;         // Of documents and queries (compatibility_anchor.h).
  double contrast_weight = 0;       // Documents of old versions against documents of this one.
  double old_documents_weight = 0;  // Queries of this version against documents of old ones.
  bool mixes_versions = false;      // Documents of the batch come from any version so far.
  double hinge_weight = 0;  // Of those: no positive may score below what the version before gave.
  bool warm_start = false;  // From the version before; else from the identity.

  // Whether old versions have a part in the loss; then they have one in the validation, too.
  bool LooksBack() const {
    return contrast_weight > 0 || old_documents_weight > 0 || mixes_versions;
  }
};

// The baselines first: maps of queries alone, then folded linear maps. `ablations` adds the
// variants that leave out or exchange one part.
std::vector<CompatibilityArm> CompatibilityArms(bool ablations);

}  // namespace almagest::bench
