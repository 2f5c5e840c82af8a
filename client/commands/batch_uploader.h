// Upserts many points over several connections at once, in batches, with a progress bar.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "client/progress_bar.h"

namespace almagest::client {

// Points are added by one thread; batches are sent by `connections` others while it goes on. At
// most two batches per connection wait, so memory stays small whatever the file's size.
class BatchUploader {
 public:
  struct Options {
    ClientOptions client;
    std::string collection;
    uint32_t batch_points = 500;
    size_t batch_bytes = 8u << 20;  // A batch is also sent when its text reaches this.
    unsigned connections = 2;
  };
  // `progress` outlives the uploader; it is drawn from Add and Finish.
  BatchUploader(Options options, ProgressBar& progress);
  // Stops without sending what is left, if Finish was not called.
  ~BatchUploader();
  BatchUploader(const BatchUploader&) = delete;
  BatchUploader& operator=(const BatchUploader&) = delete;

  // One point as JSON text. `place` ("line 12") names it in errors. Throws what a batch before ran
  // into.
  void Add(std::string_view point, std::string_view place);
  // Sends the rest and waits until every batch is acknowledged. Throws the first error.
  void Finish();

 private:
  struct Batch {
    std::string body;
    uint32_t points = 0;
    std::string first, last;  // Places.
  };
  void Work();
  void Enqueue();

  Options options_;
  ProgressBar& progress_;
  Batch filling_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  unsigned sending_ = 0;
  uint64_t acknowledged_ = 0;
  bool stopping_ = false;
  std::exception_ptr error_;
  std::vector<std::thread> threads_;
};

}  // namespace almagest::client
