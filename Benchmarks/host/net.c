// Traffic of a guest with its host over one TCP connection.
//   net serve PORT                                 the host's side: serves one connection after another, for ever
//   net ADDRESS PORT send|receive|requests SECONDS  prints MiB a second, or requests of 64 bytes and their answers a second
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { request_size = 64 };
static char buffer[1 << 16];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail(host);
    return address;
}

static void without_delay(int connection) {
    int yes = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

// Reads `count` bytes; whether there were as many.
static int read_all(int connection, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t some = read(connection, buffer + done, count - done);
        if (some <= 0) return 0;
        done += some;
    }
    return 1;
}

static void serve_one(int connection) {
    char what;
    if (read(connection, &what, 1) != 1) return;
    switch (what) {
    case 's':
        while (read(connection, buffer, sizeof buffer) > 0) {}
        write(connection, "", 1);
        break;
    case 'r':
        while (write(connection, buffer, sizeof buffer) > 0) {}
        break;
    case 'q':
        while (read_all(connection, request_size) && write(connection, buffer, request_size) == request_size) {}
        break;
    }
}

static void serve(const char *port) {
    struct sockaddr_in any = address("0.0.0.0", port);
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&any, sizeof any) || listen(listener, 8)) fail("listen");
    for (;;) {
        int connection = accept(listener, NULL, NULL);
        if (connection < 0) fail("accept");
        without_delay(connection);
        serve_one(connection);
        close(connection);
    }
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    if (count == 3 && !strcmp(arguments[1], "serve")) serve(arguments[2]);
    if (count != 5) return 2;
    struct sockaddr_in server = address(arguments[1], arguments[2]);
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, (void *)&server, sizeof server)) fail("connect");
    without_delay(connection);
    char what = !strcmp(arguments[3], "send") ? 's' : !strcmp(arguments[3], "receive") ? 'r' : 'q';
    double start = now(), end = start + atof(arguments[4]), amount = 0;
    if (write(connection, &what, 1) != 1) fail("write");
    while (now() < end) {
        ssize_t some = 0;
        switch (what) {
        case 's': some = write(connection, buffer, sizeof buffer); break;
        case 'r': some = read(connection, buffer, sizeof buffer); break;
        case 'q':
            if (write(connection, buffer, request_size) == request_size && read_all(connection, request_size)) some = 1;
            break;
        }
        if (some <= 0) fail("the connection");
        amount += some;
    }
    if (what == 's') {
        // What was sent is there when the server says so.
        shutdown(connection, SHUT_WR);
        if (!read_all(connection, 1)) fail("the server's answer");
    }
    printf("%.2f\n", amount / (now() - start) / (what == 'q' ? 1 : 1 << 20));
    return 0;
}
