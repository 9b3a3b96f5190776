#include "CMshv.h"
