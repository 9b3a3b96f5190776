#include "CMshvEmulatorEntry.h"
