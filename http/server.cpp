#include "http/server.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "http/session.h"
#include "storage/base/check.h"
#include "storage/base/log.h"

namespace almagest {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

Result<tcp::endpoint> Resolve(asio::io_context& io, const std::string& host, uint16_t port) {
  tcp::resolver resolver(io);
  error_code error;
  const auto found = resolver.resolve(
      host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "host '" + host + "' cannot be resolved");
  }
  return found.begin()->endpoint();
}

Result<> Listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, const std::string& name) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (!error) acceptor.non_blocking(true, error);
  if (!error) return {};
  if (error == asio::error::address_in_use) {
    return Fail(ErrorCode::kFailedPrecondition, name + " is in use by another program");
  }
  return Fail(ErrorCode::kFailedPrecondition, "cannot listen on " + name + ": " + error.message());
}

using TlsContext = std::shared_ptr<asio::ssl::context>;

// The files' contents, for a test of change that costs little.
std::string Stamp(const ServerOptions& options) {
  std::string stamp;
  for (const std::string* file : {&options.tls_certificate_file, &options.tls_key_file}) {
    struct stat status {};
    if (stat(file->c_str(), &status) != 0) continue;
    stamp += std::to_string(status.st_ino) + ' ' + std::to_string(status.st_size) + ' ' +
             std::to_string(status.st_mtim.tv_sec) + '.' + std::to_string(status.st_mtim.tv_nsec) +
             '\n';
  }
  return stamp;
}

Result<TlsContext> LoadTls(const ServerOptions& options) {
  if (options.tls_certificate_file.empty() && options.tls_key_file.empty()) return TlsContext();
  auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  error_code error;
  tls->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1 |
                       asio::ssl::context::no_compression,
                   error);
  const char* what = "certificate";
  if (!error) tls->use_certificate_chain_file(options.tls_certificate_file, error);
  if (!error) {
    what = "key";
    tls->use_private_key_file(options.tls_key_file, asio::ssl::context::pem, error);
  }
  if (!error && SSL_CTX_check_private_key(tls->native_handle()) == 1) return tls;
  return Fail(ErrorCode::kInvalidArgument,
              std::string("the TLS ") + what + " file cannot be used: " +
                  (error ? error.message() : "the key does not belong to the certificate"));
}

}  // namespace

// A network thread and what runs on it.
struct Network {
  explicit Network(SessionContext shared) : context(shared) {}

  asio::io_context io{1};
  SessionContext context;
  std::set<std::shared_ptr<Session>> sessions;  // Its thread only.
  size_t session_count = 0;                     // Guarded by Server::State::mutex.
  std::thread thread;
};

struct Server::State {
  State(const ServerOptions& given, Dispatcher& dispatcher);

  asio::awaitable<void> Accept();
  asio::awaitable<void> RunSession(Network& network, std::shared_ptr<Session> session);
  void BeginDrain(Network& network);
  // Where the next connection goes; nullptr when there are too many.
  Network* FindNetwork();
  // The context for a connection made now.
  const TlsContext& CurrentTls();

  const ServerOptions options;
  std::deque<Network> networks;  // The first one accepts.
  WorkerPool workers;            // Joined before `networks` go: its jobs post to them.
  tcp::acceptor acceptor;
  TlsContext tls;  // First network thread only, as what follows.
  std::string tls_stamp;
  std::chrono::steady_clock::time_point tls_checked;
  uint16_t port = 0;

  std::mutex mutex;
  std::condition_variable changed;
  size_t session_count = 0;  // Guarded by mutex.
  bool stopped = false;      // Guarded by mutex; Stop() was called.
};

Server::State::State(const ServerOptions& given, Dispatcher& dispatcher)
    : options(given),
      workers(given.worker_threads, given.queue_length_max),
      acceptor(networks.emplace_back(SessionContext{options, dispatcher, workers}).io) {
  while (networks.size() < options.network_threads) networks.emplace_back(networks.front().context);
}

Network* Server::State::FindNetwork() {
  const std::lock_guard lock(mutex);
  if (session_count >= options.connection_count_max) return nullptr;
  return &*std::ranges::min_element(networks, {}, &Network::session_count);
}

const TlsContext& Server::State::CurrentTls() {
  const auto now = std::chrono::steady_clock::now();
  if (!tls || now - tls_checked < options.tls_reload_interval) return tls;
  tls_checked = now;
  std::string stamp = Stamp(options);
  if (stamp == tls_stamp) return tls;
  tls_stamp = std::move(stamp);
  if (auto loaded = LoadTls(options)) {
    tls = *std::move(loaded);
    LogInfo("took the changed TLS certificate");
  } else {
    LogWarning("kept the old TLS certificate: " + loaded.error().message);
  }
  return tls;
}

asio::awaitable<void> Server::State::Accept() {
  while (acceptor.is_open()) {
    auto [error] =
        co_await acceptor.async_wait(tcp::acceptor::wait_read, asio::as_tuple(asio::use_awaitable));
    Network* network = FindNetwork();
    tcp::socket socket(network != nullptr ? network->io : networks.front().io);
    if (!error) acceptor.accept(socket, error);
    if (error) {
      if (error == asio::error::operation_aborted || !acceptor.is_open()) break;
      if (error == asio::error::would_block) continue;  // It has gone again.
      // Out of file descriptors and the like: wait for some to come back.
      LogWarning("accept failed: " + error.message());
      asio::steady_timer pause(networks.front().io, std::chrono::milliseconds(100));
      co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    if (network == nullptr) continue;  // Closes the socket.
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    auto session = std::make_shared<Session>(std::move(socket), CurrentTls(), network->context);
    {
      std::lock_guard lock(mutex);
      ++session_count;
      ++network->session_count;
    }
    asio::co_spawn(network->io, RunSession(*network, std::move(session)), asio::detached);
  }
}

asio::awaitable<void> Server::State::RunSession(Network& network,
                                                std::shared_ptr<Session> session) {
  network.sessions.insert(session);
  try {
    if (!network.context.draining) co_await session->Run();
  } catch (const std::exception& exception) {
    LogError(std::string("a connection ended by an exception: ") + exception.what());
  }
  session->Abort();
  network.sessions.erase(session);
  std::lock_guard lock(mutex);
  --session_count;
  --network.session_count;
  changed.notify_all();
}

void Server::State::BeginDrain(Network& network) {
  network.context.draining = true;
  error_code ignored;
  if (&network == &networks.front()) acceptor.close(ignored);
  for (const auto& session : network.sessions) session->Drain();
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { Stop(); }

Result<std::unique_ptr<Server>> Server::Start(const ServerOptions& options,
                                              Dispatcher& dispatcher) {
  auto state = std::make_unique<State>(options, dispatcher);
  ALMAGEST_TRY(const tcp::endpoint endpoint,
               Resolve(state->networks.front().io, options.host, options.port));
  state->tls_stamp = Stamp(options);
  state->tls_checked = std::chrono::steady_clock::now();
  ALMAGEST_TRY(state->tls, LoadTls(options));
  const std::string name = options.host + ":" + std::to_string(options.port);
  ALMAGEST_TRY_VOID(Listen(state->acceptor, endpoint, name));
  error_code error;
  state->port = state->acceptor.local_endpoint(error).port();
  State* running = state.get();
  asio::co_spawn(state->networks.front().io, running->Accept(), asio::detached);
  for (Network& network : running->networks) {
    network.thread = std::thread([&network] {
      const auto guard = asio::make_work_guard(network.io);
      network.io.run();
    });
  }
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

uint16_t Server::port() const { return state_->port; }

void Server::Stop() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.stopped) return;
  state.stopped = true;
  lock.unlock();
  for (Network& network : state.networks) {
    asio::post(network.io, [&state, &network] { state.BeginDrain(network); });
  }
  lock.lock();
  const auto is_quiet = [&state] { return state.session_count == 0; };
  if (!state.changed.wait_for(lock, state.options.drain_timeout, is_quiet)) {
    LogWarning("stopping with " + std::to_string(state.session_count) + " requests unanswered");
  }
  lock.unlock();
  for (Network& network : state.networks) network.io.stop();
  for (Network& network : state.networks) network.thread.join();
}

void BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int WaitForStopSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  int received = 0;
  while (sigwait(&signals, &received) != 0) {
  }
  return received;
}

}  // namespace almagest
