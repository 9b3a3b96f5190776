// The objects that descriptors of this process stand for, by device and inode number.
#pragma once
#include <sys/types.h>

// Whether there is any: without one, every call goes straight to the C library.
int objects_exist(void);

// The object behind a descriptor: its kind and, retained for the caller, the object; HVEMU_NONE where it is none of
// ours. `*object` is null for one that belongs to the process that this one was forked from.
int object_of(int fd, void **object);

// The kind of object behind a descriptor, and nothing retained.
int kind_of(int fd);

// Ends those objects whose last descriptor and mapping are gone; of those that linger, or of all.
void objects_reap(int only_lingering);

// A descriptor of this file was closed: ends its object if it was the last, and else notes that it lingers.
void objects_closed_one(dev_t device, ino_t inode);

// Whether one lingers: it lost a descriptor and has another one or a mapping.
int objects_linger(void);
