// Ends a connection's operations that take too long. Includes Asio: for session.* only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>

namespace almagest {

// A request needs four time limits. Asio's own timer would be set and cancelled for each; here one
// wait runs on, looks at the deadline of the moment when it fires, and waits again if that is
// later. So starting and stopping cost the reading of a clock. Not thread-safe: its network
// thread only.
class OperationTimer : public std::enable_shared_from_this<OperationTimer> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  // `socket` outlives the timer, or Cancel() is called before it goes.
  explicit OperationTimer(Socket& socket) : socket_(socket), timer_(socket.get_executor()) {}

  // The socket's operations are cancelled after `timeout`, unless Stop() comes before.
  void Start(std::chrono::milliseconds timeout);
  void Stop() { deadline_.reset(); }
  // Ends the wait: the timer does nothing any more until the next Start().
  void Cancel();
  // Whether the last Start() ended in a time-out.
  bool fired() const { return fired_; }

 private:
  void Wait();

  Socket& socket_;
  boost::asio::steady_timer timer_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  bool waits_ = false;
  bool fired_ = false;
  uint64_t round_ = 0;  // Of the last wait.
};

}  // namespace almagest
