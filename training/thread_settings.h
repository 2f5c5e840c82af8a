// BLAS and OpenMP read their settings from the environment when they are loaded, before main.
#pragma once

#include <cstdint>

namespace almagest::training {

// Sets the number of BLAS and OpenMP threads, forbids them to spin while they wait (that would
// cost the server its cores) and starts this program again with the same arguments; in the second
// start it returns at once. If the restart fails the program runs on, only slower.
void RestartWithThreads(int64_t threads, char** argv);

}  // namespace almagest::training
