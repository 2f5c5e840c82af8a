# Compiler settings shared by every target, and the one helper that adds tests.
find_package(Threads REQUIRED)

add_library(almagest_settings INTERFACE)
target_compile_options(almagest_settings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor
                                                   -Woverloaded-virtual -Werror)
target_include_directories(almagest_settings INTERFACE ${CMAKE_SOURCE_DIR})
if(ALMAGEST_SANITIZE)
  # Tests go without UndefinedBehaviorSanitizer: their own arithmetic is not what is looked at, and
  # it would be half of their compile time.
  set(is_test "$<BOOL:$<TARGET_PROPERTY:ALMAGEST_IS_TEST>>")
  foreach(sanitizer IN LISTS ALMAGEST_SANITIZE)
    if(sanitizer STREQUAL "undefined")
      # A check at every dereference costs as much compile time as all the others together, and
      # what it would find, AddressSanitizer stops at too.
      target_compile_options(almagest_settings INTERFACE
        "$<$<NOT:${is_test}>:-fsanitize=undefined;-fno-sanitize=null,alignment,object-size,vptr>")
    elseif(sanitizer STREQUAL "coverage")
      # For tests/fuzz, which has the function that the code then calls.
      target_compile_options(almagest_settings INTERFACE
        "$<$<NOT:${is_test}>:-fsanitize-coverage=trace-pc>")
      continue()
    else()
      target_compile_options(almagest_settings INTERFACE -fsanitize=${sanitizer})
    endif()
    target_link_options(almagest_settings INTERFACE -fsanitize=${sanitizer})
  endforeach()
  # Instrumented code makes GCC 12 see mismatched frees in coroutines and unset variant members.
  target_compile_options(almagest_settings INTERFACE -fno-omit-frame-pointer
                         -Wno-mismatched-new-delete -Wno-maybe-uninitialized)
  if("thread" IN_LIST ALMAGEST_SANITIZE)
    target_compile_options(almagest_settings INTERFACE -Wno-tsan)  # Asio uses fences.
  endif()
endif()
find_program(ALMAGEST_MOLD mold)
if(ALMAGEST_MOLD)
  target_link_options(almagest_settings INTERFACE -fuse-ld=mold)
endif()
find_program(ALMAGEST_CCACHE ccache)
if(ALMAGEST_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${ALMAGEST_CCACHE})
endif()

# almagest_unity(target ...): compiles several sources of a library as one when ALMAGEST_UNITY is on.
# Half of a clean build's time went into parsing the same headers again for files of 200 lines. Only
# for libraries: names in unnamed namespaces must then differ between the files of one library.
# A source with compile options of its own stays alone.
function(almagest_unity)
  if(ALMAGEST_UNITY)
    foreach(target IN LISTS ARGN)
      if(TARGET ${target})
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
        # A private struct defined in a .cpp counts as one of a header there.
        target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
      endif()
    endforeach()
  endif()
endfunction()

# almagest_unity_tests(target ...): the same for the test programs that take longest, three sources at a
# time: then a change of one costs seconds, not a minute.
function(almagest_unity_tests)
  almagest_unity(${ARGN})
  foreach(target IN LISTS ARGN)
    if(ALMAGEST_UNITY AND TARGET ${target})
      set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE 3)
    endif()
  endforeach()
endfunction()

# almagest_test(NAME name SOURCES a_test.cpp ... LIBRARIES lib ... [LABELS label ...] [TIMEOUT seconds]
#               [NO_SHARED_HEADERS])   where other compile options forbid the precompiled headers
# One executable `name`, run once as the ctest test `name` (fewer processes: each start costs).
# The target `unit_tests` builds all of them. Under ThreadSanitizer only those with the label
# `concurrency` are built and run: the others have little to find there and cost minutes.
add_custom_target(unit_tests)
function(almagest_test)
  cmake_parse_arguments(T "NO_SHARED_HEADERS" "NAME;TIMEOUT" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  set(is_left_out FALSE)
  if("thread" IN_LIST ALMAGEST_SANITIZE AND NOT "concurrency" IN_LIST T_LABELS)
    set(is_left_out TRUE)
  endif()
  add_executable(${T_NAME} ${T_SOURCES})
  target_link_libraries(${T_NAME} PRIVATE almagest_settings ${T_LIBRARIES} GTest::gmock GTest::gtest_main)
  set_target_properties(${T_NAME} PROPERTIES ALMAGEST_IS_TEST TRUE)
  # GoogleTest and the standard library are half of a test file's compile time: parsed once.
  if(NOT TARGET test_headers)
    file(WRITE ${CMAKE_BINARY_DIR}/test_headers.cpp "")
    add_library(test_headers OBJECT ${CMAKE_BINARY_DIR}/test_headers.cpp)
    target_link_libraries(test_headers PRIVATE almagest_settings GTest::gmock)
    set_target_properties(test_headers PROPERTIES ALMAGEST_IS_TEST TRUE)
    target_precompile_headers(test_headers PRIVATE <algorithm> <chrono> <filesystem> <functional> <map>
                              <memory> <optional> <random> <string> <thread> <variant> <vector>
                              <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  if(NOT T_NO_SHARED_HEADERS)
    target_precompile_headers(${T_NAME} REUSE_FROM test_headers)
  endif()
  add_test(NAME ${T_NAME} COMMAND ${T_NAME})
  if(is_left_out)
    set_target_properties(${T_NAME} PROPERTIES EXCLUDE_FROM_ALL TRUE)
    set_tests_properties(${T_NAME} PROPERTIES DISABLED TRUE)
  else()
    add_dependencies(unit_tests ${T_NAME})
  endif()
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  set_tests_properties(${T_NAME} PROPERTIES TIMEOUT ${T_TIMEOUT})
  if(T_LABELS)
    set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_LABELS}")
  endif()
endfunction()
