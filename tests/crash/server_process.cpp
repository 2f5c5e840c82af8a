#include "tests/crash/server_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace almagest::client {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kLimit{30};
constexpr std::chrono::milliseconds kPoll{5};

// Starts almagestd with its standard output or error in a pipe; returns pid and reading end.
pid_t Spawn(const std::vector<std::string>& arguments, int captured, int* reading_end) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], captured);
  if (captured != STDOUT_FILENO) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  }
  std::vector<std::string> words = {ALMAGESTD_PATH};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int error = posix_spawn(&pid, ALMAGESTD_PATH, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) throw std::runtime_error("cannot start " ALMAGESTD_PATH);
  *reading_end = ends[0];
  return pid;
}

// Appends what can be read within `wait`; false at the end of the stream.
bool ReadSome(int descriptor, std::chrono::milliseconds wait, std::string& text) {
  pollfd ready = {descriptor, POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(wait.count())) <= 0) return true;
  char bytes[4096];
  const ssize_t count = read(descriptor, bytes, sizeof(bytes));
  if (count <= 0) return false;
  text.append(bytes, static_cast<size_t>(count));
  return true;
}

}  // namespace

std::vector<std::string> TrainerArguments() {
#ifdef ALMAGEST_TRAINER_PATH
  return {"--trainer", ALMAGEST_TRAINER_PATH};
#else
  return {};
#endif
}

ProcessEnd RunServer(const std::vector<std::string>& arguments) {
  int errors = -1;
  const pid_t pid = Spawn(arguments, STDERR_FILENO, &errors);
  ProcessEnd end;
  const auto deadline = steady_clock::now() + kLimit;
  while (ReadSome(errors, kPoll, end.errors)) {
    if (steady_clock::now() > deadline) kill(pid, SIGKILL);
  }
  close(errors);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status)) end.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  return end;
}

void StartAndKill(const std::vector<std::string>& arguments, std::chrono::milliseconds life) {
  int errors = -1;
  const pid_t pid = Spawn(arguments, STDERR_FILENO, &errors);
  std::this_thread::sleep_for(life);
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  close(errors);
}

ServerProcess::ServerProcess(const std::filesystem::path& data,
                             const std::vector<std::string>& more_arguments) {
  std::vector<std::string> arguments = {"--data", data.string(), "--port",
                                        "0",      "--log-level", "error"};
  arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
  pid_ = Spawn(arguments, STDOUT_FILENO, &output_);
  const auto deadline = steady_clock::now() + kLimit;
  std::string text;
  while (steady_clock::now() < deadline) {
    const bool open = ReadSome(output_, kPoll, text);
    const size_t at = text.find("http://");
    const size_t end = text.find(',', at);
    if (at != std::string::npos && end != std::string::npos) {
      url_ = text.substr(at, end - at);
      return;
    }
    if (!open) break;
  }
  Kill();
  throw std::runtime_error("almagestd did not start; it said: " + text);
}

ServerProcess::~ServerProcess() {
  Kill();
  if (output_ >= 0) close(output_);
}

Client ServerProcess::Connect() const {
  return Client({.url = url_, .request_timeout = std::chrono::seconds(60)});
}

void ServerProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int ServerProcess::Stop() {
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<pid_t> ServerProcess::Children() const {
  std::vector<pid_t> children;
  const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
    std::ifstream list(task.path() / "children");
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

}  // namespace almagest::client
