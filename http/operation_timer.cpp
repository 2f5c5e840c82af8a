#include "http/operation_timer.h"

namespace almagest {

void OperationTimer::Start(std::chrono::milliseconds timeout) {
  fired_ = false;
  deadline_ = std::chrono::steady_clock::now() + timeout;
  if (!waits_ || timer_.expiry() > *deadline_) Wait();
}

void OperationTimer::Wait() {
  waits_ = true;
  timer_.expires_at(*deadline_);  // Aborts a wait that was begun before.
  const uint64_t round = ++round_;
  timer_.async_wait([self = shared_from_this(), round](boost::system::error_code error) {
    // A wait that had already fired when it was aborted is told apart by its round.
    if (error || self->round_ != round) return;
    self->waits_ = false;
    if (!self->deadline_) return;
    if (std::chrono::steady_clock::now() < *self->deadline_) {
      self->Wait();
      return;
    }
    self->fired_ = true;
    boost::system::error_code ignored;
    self->socket_.cancel(ignored);
  });
}

void OperationTimer::Cancel() {
  ++round_;
  waits_ = false;
  deadline_.reset();
  timer_.cancel();
}

}  // namespace almagest
