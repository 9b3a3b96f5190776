// The interface of /dev/mshv (Linux, include/uapi/linux/mshv.h) and the hypervisor's structures that cross it, in our
// own words. Names of structures, fields and constants are those of the headers there, so that one finds them again;
// what is ours begins with HV_MSHV_. Tests/HypercallTests holds all of it to the tables. Only for x86-64.
#pragma once
#include "CHvMessages.h"
#include "CHvRegisters.h"
#include "CHvState.h"
#include "CMshvConstants.h"
#include "CMshvLegacy.h"
#include "CMshvRoot.h"
#include "CMshvVTL.h"
