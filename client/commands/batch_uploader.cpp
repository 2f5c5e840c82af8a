#include "client/commands/batch_uploader.h"

#include <algorithm>

namespace almagest::client {
namespace {

constexpr std::string_view kBodyStart = R"({"points":[)";
constexpr std::chrono::milliseconds kRedraw{100};

}  // namespace

BatchUploader::BatchUploader(Options options, ProgressBar& progress)
    : options_(std::move(options)), progress_(progress) {
  for (unsigned i = 0; i < std::max(1u, options_.connections); ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

BatchUploader::~BatchUploader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BatchUploader::Add(std::string_view point, std::string_view place) {
  if (filling_.points == 0) {
    filling_.body = kBodyStart;
    filling_.first = place;
  } else {
    filling_.body += ',';
  }
  filling_.body += point;
  filling_.last = place;
  ++filling_.points;
  if (filling_.points >= options_.batch_points || filling_.body.size() >= options_.batch_bytes) {
    Enqueue();
  }
}

void BatchUploader::Enqueue() {
  filling_.body += "]}";
  std::unique_lock lock(mutex_);
  while (!error_ && waiting_.size() >= 2 * threads_.size()) {
    changed_.wait_for(lock, kRedraw);
    progress_.Set(acknowledged_);
  }
  if (error_) std::rethrow_exception(error_);
  waiting_.push_back(std::move(filling_));
  filling_ = Batch();
  progress_.Set(acknowledged_);
  changed_.notify_all();
}

void BatchUploader::Finish() {
  if (filling_.points > 0) Enqueue();
  std::unique_lock lock(mutex_);
  while (!error_ && (!waiting_.empty() || sending_ > 0)) {
    changed_.wait_for(lock, kRedraw);
    progress_.Set(acknowledged_);
  }
  if (error_) std::rethrow_exception(error_);
  progress_.Set(acknowledged_);
}

void BatchUploader::Work() {
  try {
    Client client(options_.client);
    for (;;) {
      Batch batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || error_ || !waiting_.empty(); });
        if (stopping_ || error_) return;
        batch = std::move(waiting_.front());
        waiting_.pop_front();
        ++sending_;
      }
      try {
        client.UpsertText(options_.collection, std::move(batch.body));
      } catch (const ClientError& error) {
        const std::string outcome = error.status() == 0 ? "" : "; none of its points was written";
        throw ClientError(std::string(error.what()) + " (in the batch from " + batch.first +
                              " to " + batch.last + outcome + ")",
                          error.status(), error.retry_after());
      }
      {
        const std::lock_guard lock(mutex_);
        --sending_;
        acknowledged_ += batch.points;
      }
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    changed_.notify_all();
  }
}

}  // namespace almagest::client
