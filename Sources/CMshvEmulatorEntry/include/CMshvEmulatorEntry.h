// The C library's calls that the emulator takes over.
#pragma once
#include <stdint.h>
