#include "engine/learning/trainer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <vector>

#include "engine/learning/line_tail.h"
#include "storage/base/file.h"

namespace almagest {
namespace {

constexpr int kNiceness = 5;
constexpr int kExecFailed = 127;
constexpr int kChildErrorFd = 3;
constexpr auto kPollInterval = std::chrono::milliseconds(50);

// Everything the child needs, prepared before it exists: between vfork and exec it may neither
// allocate nor touch locks.
struct ChildPlan {
  const char* path = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  int input_fd = -1;
  int log_fd = -1;
  int error_fd = -1;  // Takes errno when the program cannot be started; closed by starting it.
  pid_t parent = 0;
};

// posix_spawn would do, but for the death signal and the priority, which the child must set on
// itself. vfork costs the same however large this process is.
__attribute__((noinline)) pid_t Spawn(const ChildPlan& plan) {
  // No signal handler of ours may run in the child, on our memory.
  sigset_t all, none, before;
  sigfillset(&all);
  sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid != 0) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return pid;
  }
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(kExecFailed);  // We died before the line above.
  ::setpriority(PRIO_PROCESS, 0, kNiceness);
  ::dup2(plan.input_fd, 0);
  ::dup2(plan.log_fd, 1);
  ::dup2(plan.log_fd, 2);
  ::dup3(plan.error_fd, kChildErrorFd, O_CLOEXEC);  // Fails when it is that one already.
  ::syscall(SYS_close_range, kChildErrorFd + 1u, ~0u, 0u);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.path, plan.arguments, plan.environment);
  const int error = errno;
  const bool is_told = ::write(kChildErrorFd, &error, sizeof error) == sizeof error;
  ::_exit(is_told ? kExecFailed : 1);
}

std::vector<std::string> Environment(unsigned threads) {
  const std::vector<std::string> own = {"OPENBLAS_NUM_THREADS=" + std::to_string(threads),
                                        "OMP_NUM_THREADS=" + std::to_string(threads),
                                        "OMP_WAIT_POLICY=passive"};
  std::vector<std::string> entries = own;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    bool replaced = false;
    for (const std::string& setting : own) {
      replaced = replaced || text.substr(0, setting.find('=') + 1) ==
                                 std::string_view(setting).substr(0, setting.find('=') + 1);
    }
    if (!replaced) entries.emplace_back(text);
  }
  return entries;
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

class Descriptor {
 public:
  Descriptor(const char* path, int flags) : fd_(::open(path, flags | O_CLOEXEC, 0644)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// Of all processes the kernel may kill for memory, the trainer is the one nobody waits for.
void PreferAsVictim(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/oom_score_adj";
  const Descriptor file(path.c_str(), O_WRONLY);
  if (file.get() >= 0 && ::write(file.get(), "500", 3) != 3) return;  // A preference only.
}

// The last line that the trainer wrote to its log, shortened; empty if there is none.
std::string LastLogLine(const std::filesystem::path& log) {
  const auto content = ReadFile(log);
  if (!content) return "";
  std::string_view text = *content;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (const size_t start = text.rfind('\n'); start != std::string_view::npos) {
    text.remove_prefix(start + 1);
  }
  return std::string(text.substr(0, 500));
}

std::string Reason(int status, const std::string& last_line) {
  std::string reason;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    reason = "the trainer was killed by signal " + std::to_string(signal) + " (" +
             ::strsignal(signal) + ")";
    if (signal == SIGKILL) reason += ", perhaps because memory ran out";
  } else {
    reason = "the trainer exited with status " + std::to_string(WEXITSTATUS(status));
  }
  return last_line.empty() ? reason : reason + ": " + last_line;
}

}  // namespace

Result<> CheckTrainerExecutable(const std::filesystem::path& executable) {
  if (executable.empty()) {
    return Fail(ErrorCode::kFailedPrecondition, "the server was started without a trainer");
  }
  std::error_code error;
  if (std::filesystem::is_regular_file(executable, error) &&
      ::access(executable.c_str(), X_OK) == 0) {
    return {};
  }
  return Fail(ErrorCode::kFailedPrecondition,
              "the trainer executable " + executable.string() +
                  " is missing or may not be executed; build or install almagest-trainer");
}

Result<TrainerExit> RunTrainer(const TrainerOptions& options, const std::atomic<bool>& cancel,
                               const std::function<void(const std::string&)>& on_line) {
  ALMAGEST_TRY_VOID(CheckTrainerExecutable(options.executable));
  const std::filesystem::path log_path = options.job_folder / "trainer.log";
  const Descriptor input("/dev/null", O_RDONLY);
  const Descriptor log(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND);
  if (input.get() < 0 || log.get() < 0) {
    return Fail(ErrorCode::kInternal,
                "cannot create " + log_path.string() + ": " + std::strerror(errno));
  }
  const std::string path = options.executable.string();
  std::vector<std::string> arguments = {path, "--job", options.job_folder.string(), "--threads",
                                        std::to_string(options.threads)};
  std::vector<std::string> environment = Environment(options.threads);
  const auto argument_pointers = Pointers(arguments);
  const auto environment_pointers = Pointers(environment);
  int error_pipe[2];
  if (::pipe2(error_pipe, O_CLOEXEC) != 0) {
    return Fail(ErrorCode::kInternal, std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  const ChildPlan plan{path.c_str(),
                       argument_pointers.data(),
                       environment_pointers.data(),
                       input.get(),
                       log.get(),
                       error_pipe[1],
                       ::getpid()};
  const pid_t pid = Spawn(plan);
  int spawn_error = pid < 0 ? errno : 0;
  ::close(error_pipe[1]);
  if (pid > 0 && ::read(error_pipe[0], &spawn_error, sizeof spawn_error) < 0) spawn_error = errno;
  ::close(error_pipe[0]);
  if (spawn_error != 0) {
    if (pid > 0) ::waitpid(pid, nullptr, 0);
    return Fail(ErrorCode::kFailedPrecondition,
                "the trainer " + path + " cannot be started: " + std::strerror(spawn_error));
  }
  PreferAsVictim(pid);

  LineTail tail(options.job_folder / "progress.jsonl");
  std::chrono::steady_clock::time_point kill_at{};
  TrainerExit outcome;
  int status = 0;
  while (true) {
    const pid_t ended = ::waitpid(pid, &status, WNOHANG);
    tail.Read(on_line);
    if (ended == pid) break;
    const auto now = std::chrono::steady_clock::now();
    if (cancel.load() && !outcome.cancelled) {
      outcome.cancelled = true;
      kill_at = now + options.grace;
      ::kill(pid, SIGTERM);
    }
    if (outcome.cancelled && now >= kill_at) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(kPollInterval);
  }
  tail.Read(on_line);
  outcome.succeeded = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!outcome.succeeded) outcome.reason = Reason(status, LastLogLine(log_path));
  return outcome;
}

}  // namespace almagest
