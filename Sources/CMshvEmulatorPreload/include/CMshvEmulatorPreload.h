// The C library's names for the functions of CMshvEmulatorEntry. Only the library that is preloaded has this.
#pragma once
