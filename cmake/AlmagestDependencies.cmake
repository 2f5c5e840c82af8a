# Every outside library in one place. All are packages of Debian 12; `./dev setup` installs them.
# The trainer alone needs LibTorch and the header-only ones: tl-expected, nlohmann-json, xxHash.
find_path(ALMAGEST_EXPECTED_INCLUDE_DIR tl/expected.hpp REQUIRED)
find_path(ALMAGEST_NLOHMANN_INCLUDE_DIR nlohmann/json.hpp REQUIRED)
find_path(ALMAGEST_XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
if(ALMAGEST_TRAINER_ONLY)
  if(ALMAGEST_TESTS)
    find_package(GTest CONFIG)
    if(NOT GTest_FOUND)
      set(ALMAGEST_TESTS OFF)
      message(STATUS "GoogleTest not found: building the trainer without tests")
    endif()
  endif()
  return()
endif()

find_package(Boost 1.81 CONFIG REQUIRED)
find_package(RocksDB CONFIG REQUIRED)
find_package(cereal CONFIG REQUIRED)
find_package(simdjson CONFIG REQUIRED)
find_package(roaring CONFIG REQUIRED)
find_package(hwy CONFIG REQUIRED)
find_package(fmt CONFIG REQUIRED)
find_package(CLI11 CONFIG REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(ICU 70 REQUIRED COMPONENTS uc i18n)
find_package(OpenSSL 3 REQUIRED)
find_package(Eigen3 CONFIG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(GTest CONFIG REQUIRED)

# Debian's dnnl-config.cmake insists on OpenCL, which dnnl.hpp does not need.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION "${DNNL_LIBRARY}"
                                            INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
# libstemmer (Snowball) ships neither a CMake config nor a .pc file.
find_path(STEMMER_INCLUDE_DIR libstemmer.h REQUIRED)
find_library(STEMMER_LIBRARY stemmer REQUIRED)
add_library(stemmer::stemmer UNKNOWN IMPORTED)
set_target_properties(stemmer::stemmer PROPERTIES IMPORTED_LOCATION "${STEMMER_LIBRARY}"
                                                  INTERFACE_INCLUDE_DIRECTORIES "${STEMMER_INCLUDE_DIR}")
# The server's malloc. Sanitizers bring their own.
if(NOT ALMAGEST_SANITIZE)
  find_library(JEMALLOC_LIBRARY jemalloc REQUIRED)
endif()
