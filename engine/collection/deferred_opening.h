// What opening a collection leaves for later, so that it serves at once however large it is:
// checking the files that are too large to be read first, factors of rows (searches make what they
// miss), payload indexes (filters read payloads until they are there; orders wait for them), graphs
// from the mapped file into huge pages (sealed_segment.h).
//
// Damage that is found costs no data: the file is replaced from storage.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/base/result.h"

namespace almagest {

struct CollectionState;

struct DeferredWork {
  bool points = false;             // The mapped point table is to be checked.
  std::vector<uint64_t> segments;  // Segments whose files are to be checked.
};

// Thread safety: Start or Finish once, by the opening thread; the rest by any.
class DeferredOpening {
 public:
  DeferredOpening(CollectionState& state, DeferredWork work);
  // Stops the work where it is.
  ~DeferredOpening();

  // All of it, on a thread of its own.
  void Start();
  // On the calling thread.
  Result<> Finish();
  // This part only, before one of the above: those that are there already are not built again.
  Result<> BuildIndexes();
  // Until everything is done, or has failed.
  void Wait();
  // Every file was checked, and replaced if it was damaged. Until then the optimizer must not
  // build new segments from what it finds in them.
  bool files_checked() const { return files_checked_; }

 private:
  Result<> Run();
  Result<> CheckPoints();
  Result<> CheckSegment(uint64_t id);
  Result<> PrepareFactors();
  void MoveGraphsToMemory();
  void MarkDone();

  CollectionState& state_;
  const DeferredWork work_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> files_checked_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

}  // namespace almagest
