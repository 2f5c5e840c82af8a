// Where the converted encoder is, for the tests that need its weights.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "engine/text/use_lite.h"

namespace almagest {

inline std::filesystem::path ModelFolder() {
  const char* folder = std::getenv("ALMAGEST_MODEL_DIR");
  return folder != nullptr ? folder : ALMAGEST_DEFAULT_MODEL_DIR;
}

inline bool ModelIsPresent() {
  return std::filesystem::exists(ModelFolder() / UseLite::kWeightsFile);
}

// True where the tests must fail, not skip, without the model: `./dev test` has it installed.
inline bool ModelIsRequired() {
  const char* required = std::getenv("ALMAGEST_REQUIRE_MODEL");
  return required != nullptr && std::string_view(required) == "1";
}

}  // namespace almagest

#define ALMAGEST_NEED_MODEL()                                                \
  do {                                                                       \
    if (!::almagest::ModelIsPresent()) {                                     \
      if (::almagest::ModelIsRequired()) FAIL() << "the model is not there"; \
      GTEST_SKIP() << "the model is not there; `./dev setup` fetches it";    \
    }                                                                        \
  } while (false)
