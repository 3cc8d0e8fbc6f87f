/*
 * The floor of the benchmark: accepts connections and writes one shared buffer to each of them at a fixed
 * interval, nothing else. No server that sends the same bytes at the same interval can need less.
 *
 * usage: bare-loop PORT BYTES INTERVAL_MS
 * A write that the kernel takes in part is completed before the next buffer. Prints the count of such
 * writes at SIGTERM.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PLAYERS 20000

static int sockets[MAX_PLAYERS];
static size_t owed[MAX_PLAYERS];
static int count;
static volatile sig_atomic_t stopping;

static void on_stop(int signal_number) {
  (void)signal_number;
  stopping = 1;
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void drop(int index) {
  close(sockets[index]);
  count -= 1;
  sockets[index] = sockets[count];
  owed[index] = owed[count];
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: bare-loop PORT BYTES INTERVAL_MS\n");
    return 2;
  }
  size_t bytes = strtoul(argv[2], NULL, 10);
  double interval = strtod(argv[3], NULL);
  char *buffer = malloc(bytes);
  if (bytes == 0 || interval <= 0 || buffer == NULL) return 2;
  memset(buffer, 0x5a, bytes);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGTERM, on_stop);

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {0};
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)atoi(argv[1]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) {
    perror("listen");
    return 1;
  }

  unsigned long short_writes = 0;
  double next = now_ms() + interval;
  while (!stopping) {
    double wait = next - now_ms();
    if (wait > 0) {
      struct pollfd p = {.fd = listener, .events = POLLIN};
      if (poll(&p, 1, (int)(wait + 0.999)) > 0) {
        int s;
        while ((s = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
          if (count == MAX_PLAYERS) {
            close(s);
            continue;
          }
          setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
          sockets[count] = s;
          owed[count] = 0;
          count += 1;
        }
      }
      continue;
    }
    next += interval;
    for (int i = 0; i < count; i += 1) {
      owed[i] += bytes;
      while (owed[i] > 0) {
        size_t part = owed[i] % bytes == 0 ? bytes : owed[i] % bytes;
        ssize_t n = send(sockets[i], buffer + (bytes - part), part, MSG_NOSIGNAL);
        if (n < 0) {
          if (errno == EAGAIN) {
            short_writes += 1;
            break;
          }
          drop(i);
          i -= 1;
          break;
        }
        owed[i] -= (size_t)n;
        if ((size_t)n < part) {
          short_writes += 1;
          break;
        }
      }
    }
  }
  printf("short writes %lu\n", short_writes);
  return 0;
}
