// The interface of /dev/mshv (include/uapi/linux/mshv.h) in our own words.
#pragma once
#include <stdint.h>
