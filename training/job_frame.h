// What every kind of job has around it, whatever it trains.
#pragma once

#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>

#include "storage/base/result.h"
#include "training/progress.h"

namespace almagest::training {

// Removes earlier outputs (the report and `result`), then does the work, which reads the folder
// first and returns a Result. A failed allocation becomes kResourceExhausted, another exception
// kInternal.
template <class Work>
auto RunInFolder(const std::filesystem::path& folder, const char* result, Progress* progress,
                 const Work& work) -> decltype(work()) {
  try {
    std::error_code ignored;  // Absent is fine.
    for (const char* name : {"report.json", result}) {
      std::filesystem::remove(folder / name, ignored);
    }
    progress->Phase("reading");
    return work();
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kResourceExhausted, "the trainer ran out of memory");
  } catch (const std::exception& error) {
    // LibTorch appends a backtrace; the first line says what happened.
    const std::string text = error.what();
    return Fail(ErrorCode::kInternal, "LibTorch: " + text.substr(0, text.find('\n')));
  }
}

}  // namespace almagest::training
