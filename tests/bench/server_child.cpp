#include "tests/bench/server_child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <utility>

#include "tests/bench/benchmark.h"

namespace almagest::bench {

Result<ServerChild> ServerChild::Start(const std::filesystem::path& data,
                                       const std::vector<std::string>& more_arguments) {
  std::vector<std::string> arguments = {(ExecutableFolder() / "almagestd").string(),
                                        "--data",
                                        data.string(),
                                        "--port",
                                        "0",
                                        "--no-trainer"};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const std::string log = (data.parent_path() / "server.log").string();
  int pipes[2];
  if (::pipe2(pipes, O_CLOEXEC) != 0) return Fail(ErrorCode::kInternal, "no pipe");
  ServerChild child;
  child.output_ = pipes[0];
  child.started_ = SecondsNow();
  child.pid_ = ::fork();
  if (child.pid_ == 0) {
    ::dup2(pipes[1], STDOUT_FILENO);
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(file, STDERR_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  ::close(pipes[1]);
  if (child.pid_ < 0) return Fail(ErrorCode::kInternal, "cannot fork");
  std::string line;
  char byte = 0;
  while (::read(child.output_, &byte, 1) == 1 && byte != '\n') line.push_back(byte);
  const size_t place = line.find("http://");
  const size_t colon = place == std::string::npos ? place : line.find(':', place + 7);
  if (colon == std::string::npos) {
    return Fail(ErrorCode::kUnavailable, "almagestd did not start; see " + log);
  }
  std::from_chars(line.data() + colon + 1, line.data() + line.size(), child.port_);
  return child;
}

ServerChild::ServerChild(ServerChild&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      output_(std::exchange(other.output_, -1)),
      port_(other.port_),
      started_(other.started_) {}

ServerChild::~ServerChild() {
  Kill();
  if (output_ >= 0) ::close(output_);
}

uint64_t ServerChild::ResidentBytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  uint64_t total = 0;
  uint64_t resident = 0;
  file >> total >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

double ServerChild::CpuSeconds() const {
  clockid_t clock{};
  timespec spent{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &spent) != 0) return 0;
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

void ServerChild::End(int signal) {
  if (pid_ <= 0) return;
  ::kill(pid_, signal);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void ServerChild::Kill() { End(SIGKILL); }
void ServerChild::Stop() { End(SIGTERM); }

}  // namespace almagest::bench
