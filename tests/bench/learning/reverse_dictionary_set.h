// The demo's reverse dictionary as a judged set on disk (judged_set.h), so that it is measured like
// the others.
#pragma once

#include <filesystem>

#include "storage/base/result.h"

namespace almagest::bench {

// Where its parts are found.
struct DictionarySources {
  std::filesystem::path wordnet;  // Folder with data.noun and its like.
  std::filesystem::path gcide;    // Folder with gcide.index and gcide.dict.dz.
  std::filesystem::path models;   // Folder of the embedded encoder.
};

// Writes the set of the default size (the demo's data, seed 1) into `folder`, encoded by use-lite
// on two threads (about 30 s). A folder that holds exactly this set is left alone.
Result<> WriteReverseDictionarySet(const DictionarySources& sources,
                                   const std::filesystem::path& folder);

}  // namespace almagest::bench
