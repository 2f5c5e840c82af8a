// almagestd as a child process: started on a free port, killed or stopped.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "client/client.h"

namespace almagest::client {

// What a process left behind.
struct ProcessEnd {
  int exit_code = -1;  // -1: killed by a signal.
  int signal = 0;
  std::string errors;  // Standard error.
};

// Starts almagestd with `arguments` and waits for its end (at most 30 s; then it is killed). For
// starts that are meant to fail.
ProcessEnd RunServer(const std::vector<std::string>& arguments);

// Starts almagestd with `arguments` and kills it (-9) after `life`, whatever it is at.
void StartAndKill(const std::vector<std::string>& arguments, std::chrono::milliseconds life);

class ServerProcess {
 public:
  // Starts the server on `data` (a folder) and waits until it answers. Throws std::runtime_error
  // with its output when it ends instead, or is silent for 30 s.
  explicit ServerProcess(const std::filesystem::path& data,
                         const std::vector<std::string>& more_arguments = {});
  // Kills it if it still runs.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& url() const { return url_; }
  pid_t pid() const { return pid_; }
  Client Connect() const;
  // kill -9, and wait until it is gone.
  void Kill();
  // SIGTERM; the exit code.
  int Stop();
  // Process ids of its children (the trainer).
  std::vector<pid_t> Children() const;

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string url_;
};

// The arguments that name the trainer.
std::vector<std::string> TrainerArguments();

}  // namespace almagest::client
