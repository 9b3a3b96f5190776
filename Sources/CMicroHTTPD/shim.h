// libmicrohttpd starts and tunes itself through variadic functions and casts in macros, which Swift cannot import:
// each is wrapped here once.
#pragma once
#include <microhttpd.h>

static const uint64_t hv_mhd_size_unknown = MHD_SIZE_UNKNOWN;
static const ssize_t hv_mhd_end_of_stream = MHD_CONTENT_READER_END_OF_STREAM;

// Leaves an escaped path or parameter as it came. Decoded by libmicrohttpd, a %2F or a NUL in it could not be told from
// what ends a segment or a C string.
static inline size_t hv_mhd_keep_escaped(void *context, struct MHD_Connection *connection, char *text) {
    (void)context;
    (void)connection;
    size_t length = 0;
    while (text[length] != 0) length++;
    return length;
}

struct hv_mhd_settings {
    int listen_socket;
    unsigned int threads;
    unsigned int connection_limit;
    // Of one client's address; 0: as many as there can be.
    unsigned int connections_per_client;
    unsigned int idle_timeout_seconds;
    size_t connection_memory;
    // Given to each callback as its first argument.
    void *context;
    MHD_AccessHandlerCallback access;
    MHD_RequestCompletedCallback completed;
    MHD_LogCallback log;
};

// A daemon with epoll threads of its own on a socket that already listens. NULL: it could not start, the log says why.
static inline struct MHD_Daemon *hv_mhd_start(const struct hv_mhd_settings *settings) {
    // One thread is no pool.
    struct MHD_OptionItem pool[] = {
        {settings->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, settings->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        settings->access, settings->context,
        // First, so that trouble with the others is logged.
        MHD_OPTION_EXTERNAL_LOGGER, settings->log, settings->context,
        MHD_OPTION_LISTEN_SOCKET, settings->listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, settings->connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, settings->connections_per_client,
        MHD_OPTION_CONNECTION_TIMEOUT, settings->idle_timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, settings->connection_memory,
        MHD_OPTION_UNESCAPE_CALLBACK, hv_mhd_keep_escaped, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, settings->completed, settings->context,
        MHD_OPTION_ARRAY, pool,
        MHD_OPTION_END);
}

// The client's address, valid as long as the connection; NULL where it has none.
static inline const struct sockaddr *hv_mhd_client_address(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info == NULL ? NULL : info->client_addr;
}

// The client's socket, valid as long as the connection; -1 where it has none.
static inline int hv_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

// The end of an upgraded connection: libmicrohttpd closes its socket.
static inline enum MHD_Result hv_mhd_close_upgraded(struct MHD_UpgradeResponseHandle *handle) {
    return MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}
